"""The inner loop of the temporal join, compiled: which rows of a batch may be used for which variable.

It holds the same rule as `windows`, in whole microseconds; the tests compare both with a twin on paper.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from unibase.linking.asof.candidates import NULL

DAY_US = 86_400_000_000
COUNT, LATEST, CLOSEST, FIRST, EVERY = 0, 1, 2, 3, 4


@njit(cache=True)
def _last_instant(moment: int) -> int:
    return moment + DAY_US - 1 if moment % DAY_US == 0 else moment


@njit(cache=True)
def scan_batch(
    subject: np.ndarray,
    code: np.ndarray,
    time: np.ndarray,
    time_min: np.ndarray,
    time_max: np.ndarray,
    recorded: np.ndarray,
    end: np.ndarray,
    ids: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    code_start: np.ndarray,
    code_variables: np.ndarray,
    code_static: np.ndarray,
    kind: np.ndarray,
    unfinished: np.ndarray,
    bounded: np.ndarray,
    start_offset: np.ndarray,
    end_offset: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    slot: np.ndarray,
    counts: np.ndarray,
    best: np.ndarray,
    pairs: np.ndarray,
    keys: np.ndarray,
) -> int:
    """Count what is counted, and write (row, variable, subject) of the rows that may be chosen; return how many.

    Rows are met from the last to the first: timelines are mostly in order of time, so that the latest row is met first and
    the many before it are not written at all.

    Args:
        subject, code, time, time_min, time_max, recorded, end: Columns of the batch; `code` by number, times in
            microseconds, `NULL` where missing.
        ids, lower, upper: Index subjects in ascending order and their bounds.
        code_start, code_variables: Variables of code c are `code_variables[code_start[c]:code_start[c + 1]]`.
        code_static: Codes that are true of the whole life when they have no time.
        kind: Per variable: count it, keep its best rows (latest, closest, first), or keep every row.
        unfinished: Per variable, whether intervals that have not ended count.
        bounded, start_offset, end_offset, left, right: Per variable: the window.
        slot: Per variable: its row in `counts` or `best`.
        counts: Counts so far, (counted variables, subjects).
        best: Best keys so far, (2, chosen variables, subjects).
        pairs, keys: Room for the answer, (3, n) and (2, n); n is the number of rows times their variables. `pairs` holds
            row, variable and position of the subject among `ids`, `keys` those that rows were chosen by.
    """
    found = 0
    known = NULL
    at = -1
    furthest = end_offset.max()
    for row in range(subject.size - 1, -1, -1):
        first, last = code_start[code[row]], code_start[code[row] + 1]
        if first == last:
            continue
        if subject[row] != known:
            known = subject[row]
            at = np.searchsorted(ids, known)
            if at == ids.size or ids[at] != known:
                at = -1
        if at < 0:
            continue
        low = time_min[row] if time_min[row] != NULL else time[row]
        high = time_max[row]
        if high == NULL and time[row] != NULL:
            high = _last_instant(time[row])
        timeless = time[row] == NULL and time_min[row] == NULL and time_max[row] == NULL
        if timeless:
            if not code_static[code[row]]:
                continue
        elif low == NULL or high == NULL:
            continue
        limit = upper[at]
        if not timeless and high > limit + furthest:
            continue
        # Whether it is a midnight, which stands for a day, matters near the limit only.
        if recorded[row] != NULL and recorded[row] + DAY_US > limit and _last_instant(recorded[row]) > limit:
            continue
        ended = end[row] == NULL or _last_instant(end[row]) <= limit
        for position in range(first, last):
            variable = code_variables[position]
            if not ended and not unfinished[variable]:
                continue
            if not timeless:
                stop = limit + end_offset[variable]
                if high > stop or (high == stop and not right[variable]):
                    continue
                if bounded[variable]:
                    begin = lower[at] + start_offset[variable]
                    if low < begin or (low == begin and not left[variable]):
                        continue
            how = kind[variable]
            if how == COUNT:
                counts[slot[variable], at] += 1
                continue
            if how != EVERY:
                one = two = NULL
                if not timeless:
                    if how == LATEST:
                        one, two = high, low
                    elif how == CLOSEST:
                        one, two = low, high
                    else:
                        one, two = -low, -high
                best_one, best_two = best[0, slot[variable], at], best[1, slot[variable], at]
                if one < best_one or (one == best_one and two < best_two):
                    continue
                best[0, slot[variable], at], best[1, slot[variable], at] = one, two
                keys[0, found], keys[1, found] = one, two
            pairs[0, found], pairs[1, found], pairs[2, found] = row, variable, at
            found += 1
    # A row that was best when it was seen may have been beaten since.
    kept = 0
    for n in range(found):
        variable, at = pairs[1, n], pairs[2, n]
        if kind[variable] != EVERY and (keys[0, n] != best[0, slot[variable], at] or keys[1, n] != best[1, slot[variable], at]):
            continue
        pairs[0, kept], pairs[1, kept], pairs[2, kept] = pairs[0, n], variable, at
        keys[0, kept], keys[1, kept] = keys[0, n], keys[1, n]
        kept += 1
    return kept
