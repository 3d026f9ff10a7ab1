from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.bisect import Observation, Outcome, SiteSearch
from matrix.bisect.sites import Sites, site_hash, suffixes
from tests.matrix.bisect.simulation import needs, parts, run

NAMES = [f"worker.py:{line}" for line in range(24)]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_disjoint_culprits_are_found_one_after_the_other(data: st.DataObject) -> None:
    guilty = data.draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=5))
    cut = data.draw(st.integers(1, len(guilty)))
    culprits = [set(part) for part in (guilty[:cut], guilty[cut:]) if part]
    search = SiteSearch(NAMES)
    run(search, lambda on: float(any(culprit <= set(on) for culprit in culprits)))
    assert search.found is not None
    assert sorted(map(sorted, search.found)) == sorted(map(sorted, culprits))
    assert search.conclusion is not None
    assert set(search.conclusion.culprit) == set(guilty)
    *alone, rest = search.pairs
    assert all(pair.bad_freezes > 0 for pair in alone)
    assert not parts(rest.good) & set(guilty), "what is left does not freeze"
    assert rest.good_passes > 0


def test_few_runs_are_needed_for_one_site_of_many() -> None:
    names = [f"worker.py:{line}" for line in range(200)]
    search = SiteSearch(names)
    assert run(search, needs("worker.py:77")) <= 40
    assert search.found == (("worker.py:77",),)


def test_a_freeze_that_comes_now_and_then_is_asked_about_until_its_runs_settle_it() -> None:
    for seed in range(3):
        search = SiteSearch(NAMES[:8])
        run(search, needs(NAMES[3], rate=0.6), seed=seed)
        assert search.found == ((NAMES[3],),)


def test_no_site_is_to_blame_where_it_freezes_with_none() -> None:
    search = SiteSearch(NAMES)
    run(search, lambda _: 1.0)
    assert search.conclusion is not None
    assert not search.conclusion.found


def test_no_site_is_to_blame_where_nothing_freezes() -> None:
    search = SiteSearch(NAMES)
    run(search, lambda _: 0.0)
    assert search.conclusion is not None
    assert not search.conclusion.found


def test_sets_of_sites_that_cannot_be_tried_are_named() -> None:
    search = SiteSearch(NAMES[:6])
    guilty = NAMES[2]

    def outcome(on: Sites) -> Outcome | None:
        return Outcome.UNRESOLVED if len(on) == 1 and on != (guilty,) else None

    run(search, needs(guilty), outcome=outcome)
    assert search.conclusion is not None
    assert guilty in search.conclusion.culprit
    asked = {" with ".join(sites) for sites in search.excluded}
    assert set(search.conclusion.unresolved) <= asked


@settings(max_examples=60, deadline=None)
@given(on=st.sets(st.sampled_from(NAMES)))
def test_suffixes_match_just_the_sites_that_are_on(on: set[str]) -> None:
    told = suffixes(sorted(on), NAMES)
    assert {site for site in NAMES if any(site_hash(site).endswith(suffix) for suffix in told)} == on


def test_each_prefix_of_the_sites_is_told_in_a_few_suffixes() -> None:
    sites = SiteSearch([f"worker.py:{line}" for line in range(500)]).sites
    assert suffixes(sites, sites) == ("",)
    assert max(len(suffixes(sites[:end], sites)) for end in range(0, 500, 7)) <= 12


@pytest.mark.parametrize(
    ("sites", "words"), [([], "there is no site"), (["a", "b", "a"], "'a' and 'a' can't be told apart")]
)
def test_sites_that_are_none_are_refused(sites: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SiteSearch(sites)


def test_a_candidate_of_other_sites_is_refused() -> None:
    with pytest.raises(ValueError, match="not sites of this search in its order"):
        SiteSearch(NAMES).tell(Observation(("worker.py:99",), Outcome.PASS))
