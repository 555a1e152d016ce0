"""paper-analysis finds what can be checked: addresses, statements, statistics, claims, each where it stands."""

import time
from pathlib import Path

import pytest
from paper.document import Document, Page
from paper.evidence import Evidence, evidence_in, flows_of, load_evidence, write_evidence
from paper.flow import Flow
from paper.links import Link, links_in
from paper.opening import open_paper
from paper.reading import read_document
from paper.repositories import clone_address
from paper.statistics import Statistic, statistics_in

from tests.packs.papers import SAMPLE, Paper, write_paper


@pytest.fixture(scope="module")
def sample() -> tuple[Document, Evidence]:
    document = read_document(open_paper(SAMPLE))
    return document, evidence_in(document)


def links_of(tmp_path: Path, *paragraphs: str, annotations: tuple[str, ...] = ()) -> dict[str, Link]:
    paper = Paper("A Paper With Addresses Inside", "", (("1 Introduction", paragraphs),))
    path = write_paper(tmp_path / "a.pdf", paper, annotations=annotations)
    return {link.url: link for link in links_in(read_document(open_paper(path)))}


def statistic(text: str) -> Statistic:
    (found,) = (each for each in statistics_in(Flow(1, text)) if each.p is not None)
    return found


def test_addresses_are_whole_though_lines_break_them(sample: tuple[Document, Evidence]) -> None:
    urls = {link.url: link for link in sample[1].links}

    long = "https://example.org/library/queues/a-long-address/of-a-page/that-goes-over/lines.html"
    assert urls[long].broken_over_lines
    assert "https://doi.org/10.5281/zenodo.1234567" in urls
    assert "https://doi.org/10.1234/examples.2019.001" in urls
    assert "https://arxiv.org/abs/2101.01234" in urls
    assert urls["https://github.com/example/queue-speed"].times == 2
    assert len(urls) == 7


def test_a_link_says_where_it_stands(sample: tuple[Document, Evidence]) -> None:
    document, evidence = sample
    for link in evidence.links:
        written = document.text_of(link.page)[link.start : link.end].replace("\n", "")
        assert link.url.removeprefix("https://doi.org/").removeprefix(
            "https://arxiv.org/abs/"
        ) in written or (written in link.url)


def test_the_sentence_around_an_address_is_no_part_of_it(tmp_path: Path) -> None:
    found = links_of(
        tmp_path,
        "It is there (https://example.org/a_(b)), see http://example.org/x?y=1&z=2. So is www.example.org/page; "
        "github.com/someone/something too, and http://[::1 is none.",
    )

    assert {*found} == {
        "https://example.org/a_(b)",
        "http://example.org/x?y=1&z=2",
        "https://www.example.org/page",
        "https://github.com/someone/something",
    }


def test_an_address_ends_where_text_without_spaces_goes_on() -> None:
    chinese = "代码在https://github.com/someone/something，数据可在https://doi.org/10.5281/zenodo.12获得。"
    page = Page(number=1, text=chinese + "詳細は10.1234/abc.5を参照。", columns=1, links=(), scanned=False)

    found = links_in(Document(pages=(page,), sections=(), references=(), title="", left_out=0))

    assert [link.url for link in found] == [
        "https://github.com/someone/something",
        "https://doi.org/10.5281/zenodo.12",
        "https://doi.org/10.1234/abc.5",
    ]


def test_a_page_without_an_end_of_a_sentence_is_looked_at_once() -> None:
    """Each step must not look at all that came before it: that took a minute for such a page."""
    began = time.process_time()

    (whole,) = Flow(1, "A. " * 20_000).sentences()

    assert len(whole[2]) == 59_999
    assert time.process_time() - began < 2


def test_an_annotation_knows_how_an_address_goes_on(tmp_path: Path) -> None:
    text = "x " * 30 + "https://example.org/a/quite-long/address/that-ends-here/ and words go on"
    whole = "https://example.org/a/quite-long/address/that-ends-here/"

    assert whole in links_of(
        tmp_path, text, annotations=(whole, "mailto:a@example.org", "https://example.org/only")
    )
    found = links_of(tmp_path, "no address", annotations=("https://example.org/only", "javascript:alert(1)"))
    assert {url: link.origin for url, link in found.items()} == {"https://example.org/only": "annotation"}


def test_statements_tell_what_is_open(sample: tuple[Document, Evidence]) -> None:
    statements = {(each.subject, each.access) for each in sample[1].statements}

    assert {("code", "open"), ("data", "open"), ("limitations", ""), ("funding", "")} <= statements
    assert [each.url for each in sample[1].repositories] == ["https://github.com/example/queue-speed"]
    assert sample[1].archives == ("https://doi.org/10.5281/zenodo.1234567",)


def test_p_values_are_computed_again(sample: tuple[Document, Evidence]) -> None:
    verdicts = {each.text: each.verdict for each in sample[1].statistics if each.p is not None}

    assert verdicts == {
        "t(58) = 4.13, p < .001": "consistent",
        "F(2, 87) = 5.31, p = .007": "consistent",
        "t(58) = 1.21, p = .23": "consistent",
        "t(28) = 1.20, p = .03": "decision",
    }


@pytest.mark.parametrize(
    ("text", "computed", "verdict"),
    [
        ("t(28) = 2.20, p = .036", 0.0362, "consistent"),
        ("t(28) = 2.20, p = .018", 0.0362, "consistent"),  # one-sided
        ("t(28) = 2.20, p = .05", 0.0362, "inconsistent"),
        ("F(1, 100) = 4.00, p < .05", 0.0482, "consistent"),
        ("χ2(1, N = 90) = 0.89, p = .35", 0.3455, "consistent"),
        ("r(48) = .30, p = .03", 0.0343, "consistent"),
        ("z = 1.96, p = .05", 0.05, "consistent"),
        ("z = −1.20, p < .001", 0.2301, "decision"),
        ("t(30) = 5.2, p = 1.3 × 10−5", 1.3e-5, "consistent"),
    ],
)
def test_tests_agree_with_tables_of_their_distributions(text: str, computed: float, verdict: str) -> None:
    found = statistic(text)

    assert found.computed == pytest.approx(computed, abs=1e-4)
    assert found.verdict == verdict


def test_a_test_without_degrees_of_freedom_is_not_judged() -> None:
    assert statistic("t = 2.2, p = .04").verdict == "unchecked"


def test_claims_say_what_they_lean_on(sample: tuple[Document, Evidence]) -> None:
    claims = {claim.place.quote: claim for claim in sample[1].claims}

    bare = [quote for quote, claim in claims.items() if not claim.supports]
    assert "Reading ahead is obviously better than anything else." in bare
    assert len(bare) == 2
    assert claims["The effect of size was significant, F(2, 87) = 5.31, p = .007."].supports == (
        "statistic",
        "number",
    )


def test_quotes_are_found_over_lines_and_made_up_ones_are_not(sample: tuple[Document, Evidence]) -> None:
    document = sample[0]
    (flow,) = flows_of(document)

    place = flow.find("Our results show that a reader who takes ten at once is faster by 242%")
    assert place is not None
    assert document.text_of(1)[place.start : place.end].split() == place.quote.split()
    assert flow.find("Our results show that a reader who takes nine at once") is None
    assert flow.find("ten") is None
    hyphened = Flow(1, "a signifi-\ncant differ-\nence of “ﬁve” well-\nknown things")
    found = hyphened.find('significant difference of "five" well-known')
    assert found is not None
    assert (found.start, found.end) == (2, 49)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 20_000,
        "1,111" * 5_000,
        "https://example.org/x/\n" + "a-" * 200 + "!",
        "https://example.org/x.\n" + "a." * 5_000 + "!",
        "https://example.org/x/\n" + "a" * 20_000,
        "is are was were " * 2_000,
        "p = ." + "0" * 20_000,
        "(" * 5_000 + "http://[" * 500,
        "10.1234/" + "a-" * 10_000,
    ],
)
def test_text_that_means_harm_is_read_like_any_other(text: str) -> None:
    """Patterns that try every way to divide such a text would not end in a lifetime."""
    page = Page(number=1, text=text, columns=1, links=(), scanned=False)

    evidence_in(Document(pages=(page,), sections=(), references=(), title="", left_out=0))


def test_evidence_is_the_same_after_its_file(tmp_path: Path, sample: tuple[Document, Evidence]) -> None:
    assert load_evidence(Path(write_evidence(sample[1], tmp_path / "e.json"))) == sample[1]


@pytest.mark.parametrize(
    ("page", "clone"),
    [
        ("https://github.com/a/b/tree/main/src", "https://github.com/a/b"),
        ("http://www.github.com/a/b.git", "https://github.com/a/b"),
        ("https://github.com/orgs/a", None),
        ("https://github.com/a", None),
        ("https://example.org/some/code.git", "https://example.org/some/code.git"),
        ("https://huggingface.co/datasets/a/b", None),
        ("https://example.org/a/b", None),
    ],
)
def test_what_git_clones_of_a_page(page: str, clone: str | None) -> None:
    assert clone_address(page) == clone
