"""The preset `national`: a country's worth of events, written to files and never held whole.

People are drawn in chunks, each from a stream of its own, and each chunk goes straight to
Parquet files, so that memory does not grow with the number of people.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drive_eval.data.folders import draft
from drive_eval.data.study import check_folder
from drive_eval.data.synthetic.events import event_columns, spell_ends
from drive_eval.data.synthetic.process import (
    ELSEWHERE,
    FAR,
    NOT_AFTER_EXIT,
    draw_candidates,
    draw_people,
    live,
)
from drive_eval.data.synthetic.world import World, load_world
from drive_eval.errors import DataError, DesignError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

__all__ = ["write_national"]

_CHUNK = 10_000
_SEED = 20165
_MOST_PEOPLE = 10_000_000  # ids have seven digits
_ARMS = ("programme", "comparison")
#: Digits of the number behind the letter of an id.
_PERSON, _EVENT = 7, 9
_TEXT, _DAY = pa.string(), pa.date32()
_SCHEMAS = {
    "cases": pa.schema(
        {
            "case_id": pa.string(),
            "perpetrator_id": pa.string(),
            "arm": _TEXT,
            "index_date": _DAY,
            "site": _TEXT,
            "referral_date": _DAY,
            "start_date": _DAY,
            "exit_date": _DAY,
            "exit_reason": _TEXT,
            "data_end_date": _DAY,
            "death_date": _DAY,
            "moved_date": _DAY,
            "age": pa.int64(),
            "sex": _TEXT,
            "ethnicity": _TEXT,
            "prior_incidents_12m": pa.int64(),
            "dash_score": pa.int64(),
        }
    ),
    "victim_survivors": pa.schema(
        {"victim_survivor_id": pa.string(), "case_id": pa.string(), "relationship": _TEXT}
    ),
    "events": pa.schema(
        {
            "event_id": pa.string(),
            "perpetrator_id": pa.string(),
            "date": _DAY,
            "source": _TEXT,
            "victim_survivor_id": pa.string(),
            "offence_class": _TEXT,
            "abuse_type": _TEXT,
            "domestic_abuse_flag": pa.bool_(),
            "outcome_stage": _TEXT,
        }
    ),
    "custody": pa.schema({"perpetrator_id": pa.string(), "start_date": _DAY, "end_date": _DAY}),
}


def write_national(
    folder: str | Path,
    seed: int = 1,
    *,
    programme: int | None = None,
    comparison: int | None = None,
    other_files: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """How would the extract of a whole country look, with too many events to hold at once?

    Parameters
    ----------
    folder : path
        Made whole or not at all: ``cases.parquet``, ``victim_survivors.parquet``,
        ``events.parquet`` and ``custody.parquet``, in the columns of the data dictionary.
    seed : int
        The same seed gives the same tables, row by row, on every machine.
    programme, comparison : int, optional
        People in each arm, each enrolled once; as the preset says (10,000 and 300,000) if None.
        People in the programme come first.
    other_files : mapping of file name to text, optional
        Texts to stand beside the tables, such as the codebook.
    overwrite : bool
        Replace a folder of synthetic tables.
    progress : callable, optional
        Called with the chunks of people done and the chunks to do.

    Returns
    -------
    dict of str to int
        Rows written, by table.

    Raises
    ------
    DataError
        If the folder may not be replaced or cannot be written.
    DesignError
        If no person, or more than ten million, are asked for.

    Notes
    -----
    **Assumptions.** The process is that of the other presets with more incidents a person
    (``national.toml``). Arms differ by nothing but the programme: nothing here confounds.
    ``prior_incidents_12m`` counts the person's own police events in days −365 to −1.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = write_national(Path(folder) / "small", programme=10, comparison=90)
    >>> rows["cases"]
    100
    """
    world = load_world("national")
    in_programme = int(world.cohort["programme"] if programme is None else programme)
    others = int(world.cohort["comparison"] if comparison is None else comparison)
    people = in_programme + others
    if min(in_programme, others) < 0 or not 1 <= people <= _MOST_PEOPLE:
        raise DesignError(
            f"the preset national needs 1 to {_MOST_PEOPLE:,} people, but programme is "
            f"{in_programme} and comparison is {others}."
        )
    starts = range(0, people, _CHUNK)
    streams = np.random.SeedSequence([seed, _SEED]).spawn(len(starts))
    target = Path(folder)
    rows = dict.fromkeys(_SCHEMAS, 0)
    with (
        draft(
            target, check=lambda: check_folder(target, overwrite=overwrite), error=DataError
        ) as new,
        contextlib.ExitStack() as files,
    ):
        writers = {
            name: files.enter_context(pq.ParquetWriter(new / f"{name}.parquet", schema))
            for name, schema in _SCHEMAS.items()
        }
        for done, (start, stream) in enumerate(zip(starts, streams, strict=True), start=1):
            size = min(_CHUNK, people - start)
            treated = np.arange(start, start + size) < in_programme
            rng = np.random.default_rng(stream)
            for name, table in _chunk(world, rng, start, treated, rows["events"]).items():
                writers[name].write_table(table.cast(_SCHEMAS[name]))
                rows[name] += table.num_rows
            if progress is not None:
                progress(done, len(starts))
        files.close()
        for name, text in (other_files or {}).items():
            (new / name).write_text(text, encoding="utf-8", newline="\n")
    return rows


def _chunk(
    world: World, rng: np.random.Generator, start: int, treated: Bools, events_so_far: int
) -> dict[str, pa.Table]:
    """Draw some people with everything that is recorded of them."""
    rules, size = world.events, len(treated)
    last_day = np.datetime64(world.data_end_date, "D").astype(np.int64)
    who, index, died, moved = draw_people(world, rng, size, follow_up=FAR)
    end = last_day - index
    died, moved = np.where(died > end, FAR, died), np.where(moved > end, FAR, moved)
    who = replace(who, until=np.minimum(who.until, end))
    ratio = np.where(treated, rules["programme"], rules["usual_care"])
    candidates = draw_candidates(world, rng, who, cap=max(1.0, float(ratio.max())))
    record = live(world, who, candidates, ratio)

    names = _ids("P", np.arange(start, start + size) + 1, _PERSON)
    case_ids = _ids("C", np.arange(start, start + size) + 1, _PERSON)
    recent = ~record.marac & (record.day >= -365) & (record.day < 0)
    prior = np.bincount(record.who[recent], minlength=size)
    cases = {
        "case_id": case_ids,
        "perpetrator_id": names,
        "arm": _words(np.where(treated, 0, 1), _ARMS),
        "index_date": _dates(index),
        "referral_date": _dates(index + who.referral),
        "data_end_date": _dates(np.full(size, last_day)),
        "death_date": _dates(index + died, died == FAR),
        "moved_date": _dates(index + moved, moved == FAR),
        "prior_incidents_12m": prior,
        **_baseline(world, rng, index, died, moved, who.jailed_at, who.frailty),
    }
    linked = np.repeat(np.arange(size), who.victims)
    number = np.arange(len(linked)) - np.repeat(np.cumsum(who.victims) - who.victims, who.victims)
    kinds = world.cases["relationship"]
    links = {
        "victim_survivor_id": _victims(case_ids.take(pa.array(linked)), number + 1),
        "case_id": case_ids.take(pa.array(linked)),
        "relationship": _words(_picked(kinds, rng.random(len(linked))), tuple(kinds)),
    }
    owner = pa.array(record.who)
    events = {
        "event_id": _ids("E", np.arange(len(record.who)) + events_so_far + 1, _EVENT),
        "perpetrator_id": names.take(owner),
        "date": _dates(index[record.who] + record.day),
        "victim_survivor_id": _victims(case_ids.take(owner), record.victim),
        **_columns(world, record),
    }
    ends, lasting = spell_ends(record, who.until, died)
    custody = {
        "perpetrator_id": names.take(pa.array(record.jailed)),
        "start_date": _dates(index[record.jailed] + record.lo),
        "end_date": _dates(index[record.jailed] + ends, lasting),
    }
    tables = {"cases": cases, "victim_survivors": links, "events": events, "custody": custody}
    return {
        name: pa.table({column: tables[name][column] for column in schema.names})
        for name, schema in _SCHEMAS.items()
    }


def _baseline(
    world: World,
    rng: np.random.Generator,
    index: Ints,
    died: Ints,
    moved: Ints,
    jailed_at: Ints,
    frailty: Floats,
) -> dict[str, Any]:
    """Draw what stands in a case besides its dates; the dash score goes along with the rate."""
    size, rule = len(index), world.cases
    reasons = ("custody", "moved", "died", "planned", "disengaged", "declined", "unknown")
    at_exit = {"custody": jailed_at, "moved": moved, "died": died}
    reason = 3 + _picked(
        dict(zip(reasons[3:], (0.62, 0.18, 0.12, 0.08), strict=True)), rng.random(size)
    )
    length = rng.integers(90, NOT_AFTER_EXIT + 1, size)
    for code, (_, day) in enumerate(at_exit.items()):
        earlier = day <= np.where(reason < 3, length, NOT_AFTER_EXIT)
        reason, length = np.where(earlier, code, reason), np.where(earlier, day, length)
    start = index + rng.integers(7, 36, size)
    age = np.interp(rng.random(size), rule["ages"]["shares"], rule["ages"]["years"])
    dash = np.rint(rule["dash_level"] + 2 * np.log(frailty) + 6 * (rng.random(size) - 0.5))
    sexes = {"male": world.cohort["male_share"], "female": 1 - world.cohort["male_share"]}
    areas = {f"area_{number:02d}": 1.0 for number in range(1, 44)}
    return {
        "site": _words(_picked(areas, rng.random(size)), tuple(areas)),
        "start_date": _dates(start, reason == reasons.index("declined")),
        "exit_date": _dates(index + length),
        "exit_reason": _words(reason, reasons),
        "age": age.astype(np.int64),
        "sex": _words(_picked(sexes, rng.random(size)), tuple(sexes)),
        "ethnicity": _words(_picked(rule["ethnicity"], rng.random(size)), tuple(rule["ethnicity"])),
        "dash_score": np.clip(dash, 0, 24).astype(np.int64),
    }


def _columns(world: World, record: Any) -> dict[str, pa.Array]:
    """Return what is written of each event, coded, since most of it is said over and over."""
    found = {}
    for name, cells in event_columns(world, record).items():
        plain = pa.array(cells, type=pa.bool_() if name == "domestic_abuse_flag" else pa.string())
        found[name] = plain if name == "domestic_abuse_flag" else plain.dictionary_encode()
    return found


def _ids(letter: str, numbers: Ints, digits: int) -> pa.Array:
    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, padding="0")
    return pc.binary_join_element_wise(letter, padded, "")


def _victims(case_ids: pa.Array, numbers: Ints) -> pa.Array:
    """Name victim-survivors after the case, or, if they are linked to none, after U."""
    elsewhere = numbers >= ELSEWHERE
    letter = pa.array(np.where(elsewhere, "U", "V"))
    number = pa.array(np.where(elsewhere, numbers - ELSEWHERE + 1, numbers)).cast(pa.string())
    digits = pc.utf8_slice_codeunits(case_ids, 1)
    named = pc.binary_join_element_wise(
        pc.binary_join_element_wise(letter, digits, ""), number, "-"
    )
    return pc.if_else(pa.array(numbers > 0), named, pa.scalar(None, pa.string()))


def _words(codes: Ints, words: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, type=pa.int32()), pa.array(words))


def _dates(days: Ints, missing: Bools | None = None) -> pa.Array:
    return pa.array(days.astype("datetime64[D]"), type=_DAY, mask=missing)


def _picked(shares: Mapping[str, float], uniform: Floats) -> Ints:
    edges = np.cumsum(np.array(list(shares.values())) / sum(shares.values()))[:-1]
    picked: Ints = np.searchsorted(edges, uniform, side="right")
    return picked
