"""What a stage of a build is: its name, how it runs, and what it reads and leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from unibase.flows.runs import kept
from unibase.flows.runs.run import Run
from unibase.flows.runs.stage_cost import weighed
from unibase.flows.runs.stopping import check
from unibase.flows.study.places import Place
from unibase.flows.study.vault_at_rest import keep


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: As the command line and Prefect name it.
        text: What it does, in a few words.
        reads: Places that stages before it left.
        leaves: Places that it leaves.
        run: Runs it once, or None where it works by centre.
        run_centre: Runs it for one centre, or None where it runs once.
        derived: Whether all it needs stands in the places it reads, in the study file and in the vault's ledger of persons:
            it is not run again while none of these changed and what it left is as it left it.
    """

    name: str
    text: str
    reads: tuple[Place, ...] = ()
    leaves: tuple[Place, ...] = ()
    run: Callable[[Run], object] | None = None
    run_centre: Callable[[Run, str], object] | None = None
    derived: bool = False

    def __call__(self, run: Run, centre: str | None = None) -> None:
        """Run the stage: for one centre, or for all where it works by centre. It reaches no place that it did not declare.

        Args:
            run: The run.
            centre: The centre, or None for all.

        Raises:
            UserError: If a place that it reads is not as the stage before left it.
        """
        check()
        kept.refuse_harmed(run, self.reads)
        inputs = kept.inputs(run, self.name, self.reads) if self.derived else ""
        if self.derived and kept.stands(run, self.name, self.leaves, inputs):
            run.say(f"{self.name}: nothing new; what it left stands")
            return
        with (
            run.log.stage(self.name, centre or ""),
            weighed(run.ledger, self.name),
            run.within((*self.reads, *self.leaves)),
        ):
            if self.run is not None:
                self.run(run)
            if self.run_centre is not None:
                for name in [centre] if centre else run.study.centres:
                    self.run_centre(run, name)
                    check()
        kept.write_down(run, self.name, self.leaves, inputs)
        keep(run.study.work.root)
        check()


def in_order(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return stages so that each comes after those that leave what it reads; else as they were given.

    Raises:
        ValueError: If a stage reads a place that none leaves, two leave one place, or stages wait for each other.
    """
    makers: dict[Place, Stage] = {}
    for one in stages:
        for place in one.leaves:
            if place in makers:
                raise ValueError(f"{one.name} and {makers[place].name} both leave {place.path}")
            makers[place] = one
    sorter: TopologicalSorter[str] = TopologicalSorter({one.name: () for one in stages})
    for one in stages:
        for place in one.reads:
            if place not in makers:
                raise ValueError(f"{one.name} reads {place.path}, which no stage leaves")
            sorter.add(one.name, makers[place].name)
    given = [one.name for one in stages]
    ordered: list[Stage] = []
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"stages wait for each other: {' '.join(error.args[1])}") from None
    ready: list[str] = []
    while sorter.is_active():
        ready += sorter.get_ready()
        name = min(ready, key=given.index)
        ready.remove(name)
        ordered.append(stages[given.index(name)])
        sorter.done(name)
    return tuple(ordered)
