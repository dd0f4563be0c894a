"""The passes of a verification over workers of a Ray cluster, each of which loads the model once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inspector.cluster import ModelWorker, OnCluster, Work
from inspector.detectors.trials import Outcome, Settings
from inspector.interventions.values import Intervention
from inspector.models import Model
from inspector.progress import Progress
from inspector.run.report import Report
from inspector.texts import Text
from inspector.verification.plan import Claims, Plan

Job = tuple[str, tuple[Intervention, ...], tuple[str, ...]]
"""A pass: the detector whose bench measures, what is done to the model, what is measured."""

PASSES = Work(
    lambda worker, job: worker.outcome.remote(*job),
    lambda job, outcome: {name: np.array(values) for name, values in outcome.items()},
    lambda job: f"a pass for '{job[0]}', {' and '.join(map(str, job[1])) or 'unmodified'}",
    "Verify without these findings",
    "fewer workers on a machine",
)


@dataclass(frozen=True)
class PassesOnRay(OnCluster):
    """Workers of a Ray cluster; pass it to `verify` as `engine`. See `OnCluster`, and

    Args:
        says: hears of a worker that died, in a sentence.
    """

    says: Callable[[str], object] = lambda said: None

    def measure(
        self,
        plan: Plan,
        model: Model,
        report: Report,
        texts: Sequence[Text] | None,
        settings: Settings,
        progress: Progress,
    ) -> None:
        """Measure all passes that the plan's trials need, each once; its outcomes know them afterwards.

        Raises:
            InputError: Ray isn't installed, the cluster can't be reached or is too small, or two workers died of the
                same pass.
            ModelError: a worker can't load the model, has another one or other versions of libraries, or fails.
        """
        if not any(part.outcomes.ahead(part.planned.trials) for part in plan.parts):
            return
        with self.pool(Worker, (report, texts, settings), model, self.says) as workers:
            for part in plan.parts:
                ahead = part.outcomes.ahead(part.planned.trials)
                jobs: list[Job] = [(part.detector, tuple(done), tuple(sorted(metrics))) for done, metrics in ahead]
                task = progress.task("measuring", len(jobs))
                for (_, interventions, metrics), outcome in workers.done(jobs, PASSES):
                    part.outcomes.take(interventions, metrics, outcome)
                    task.advance()


class Worker(ModelWorker):
    """It makes the plan that the driver has.

    Args:
        load: gives the model.
        report: that is verified.
        texts: to measure on.
        settings: of the verification.
    """

    def __init__(
        self, load: Callable[[], Model], report: Report, texts: Sequence[Text] | None, settings: Settings
    ) -> None:
        super().__init__(load)
        self.report, self.texts, self.settings = report, texts, settings

    def outcome(self, detector: str, interventions: Sequence[Intervention], metrics: Sequence[str]) -> Outcome:
        """One pass."""
        (part,) = [one for one in self._plan.parts if one.detector == detector]
        return part.outcomes.bench.outcome(interventions, metrics)

    @cached_property
    def _plan(self) -> Plan:
        return Plan.of(Claims.of(self.report), self.report, self.model, self.texts, self.settings, None)
