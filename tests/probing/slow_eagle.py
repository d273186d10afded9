"""EAGLE's searches, transcribed step by step and slowly: one mask at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Score = Callable[[frozenset[int]], float]  # p with only these regions shown


def plain(p: Score, n: int) -> list[int]:
    """Return the order of the plain greedy search, n (n + 1) masks."""
    everything, order = frozenset(range(n)), []
    while len(order) < n:
        left = [r for r in range(n) if r not in order]
        objective = {r: _objective(p, everything, [*order, r]) for r in left}
        order.append(max(left, key=lambda r: objective[r]))
    return order


def efficient(
    p: Score, n: int, scope: int, pending: int, step: int
) -> tuple[list[int], list[float], list[float]]:
    """Return order, insertion and deletion curve of the efficient search."""
    everything = frozenset(range(n))
    head, tail, left, rounds = [], [], list(range(n)), 0
    insertion, deletion, tail_insertion, tail_deletion = [], [], [], []
    while len(left) > 1:
        if rounds % step == 0:
            left = sorted(left, key=lambda r: -_objective(p, everything, [*head, r]))
            best = left[0]
        else:
            first = left[:scope]
            scores = [_objective(p, everything, [*head, r]) for r in first]
            best = first[scores.index(max(scores))]
        left.remove(best)
        head.append(best)
        insertion.append(p(frozenset(head)))
        deletion.append(p(everything - frozenset(head)))
        if len(left) > pending:
            if rounds == 0:
                worst = left[-1]
            else:
                last = left[-pending:]
                kept = [everything - frozenset(tail) - {r} for r in last]
                scores = [_objective(p, everything, rest) for rest in kept]
                worst = last[scores.index(max(scores))]
            left.remove(worst)
            tail.insert(0, worst)
            rest = everything - frozenset(tail)
            tail_insertion.insert(0, p(rest))
            tail_deletion.insert(0, p(everything - rest))
        rounds += 1
    order = head + left + tail
    full, empty = p(everything), p(frozenset())
    return (
        order,
        [empty, *insertion, *tail_insertion, full],
        [full, *deletion, *tail_deletion, empty],
    )


def lazy(p: Score, n: int, scope: int, step: int, stop: float) -> list[int]:
    """Return the regions that the search which may end early takes, none of them from the end."""
    everything, head, left, gains = frozenset(range(n)), [], list(range(n)), {}
    values = [_objective(p, everything, [])]
    whole = _objective(p, everything, everything)
    while len(left) > 1:
        stands = len(head) > 5 and values[-1] - values[-6] < stop
        if head and (values[-1] >= whole - stop or stands):
            break
        looked = left if len(head) % step == 0 else []
        for i, region in enumerate([] if looked else left[:scope], 1):
            looked = left[:i]
            gains[region] = _objective(p, everything, [*head, region]) - values[-1]
            most = max(gains[r] for r in looked)
            if i % 2 == 0 and i < len(left[:scope]) and most >= gains[left[i]]:
                break
        for region in looked:
            gains[region] = _objective(p, everything, [*head, region]) - values[-1]
        best = max(looked, key=lambda r: gains[r])
        left = sorted((r for r in left if r != best), key=lambda r: -gains[r])
        head.append(best)
        values.append(_objective(p, everything, head))
    return head


def _objective(p: Score, everything: frozenset[int], shown: Iterable[int]) -> float:
    return p(frozenset(shown)) + 1 - p(everything - frozenset(shown))
