//! Tests of terms and searches.

use super::{MAX_WORDS, Search, WordSet, contains_phrase};

fn words(text: &str) -> String {
    let mut words = WordSet::default();
    words.add(text);
    words.finish()
}

/// Shows a search: alternatives of a group are separated by `|`, `!` excludes.
fn parsed(text: &str) -> String {
    let search = match Search::parse(text) {
        Ok(search) => search,
        Err(why) => return why,
    };
    let conjunction = |terms: &Vec<super::SearchTerm>| {
        let term = |term: &super::SearchTerm| {
            format!("{}{}", term.text, if term.beginning { "*" } else { "" })
        };
        terms.iter().map(term).collect::<Vec<_>>().join("+")
    };
    let group = |group: &Vec<Vec<_>>| group.iter().map(conjunction).collect::<Vec<_>>().join("|");
    let none = search
        .none
        .iter()
        .map(|terms| format!("!{}", conjunction(terms)));
    let phrases = search
        .phrases
        .iter()
        .map(|words| format!("<{}>", words.join(" ")));
    let all = search.all.iter().map(group);
    all.chain(none).chain(phrases).collect::<Vec<_>>().join(" ")
}

#[test]
fn words_are_normalized() {
    for (text, expected) in [
        ("The bell, THE Bell; 12:30!", "the bell 12 30"),
        ("Grüße é e\u{301} ﬁn ÀÉ", "grusse e fin ae"),
        ("ΔΡΟΜΟΣ δρόμος", "δρομοσ"),
        (
            "Łódź cœur hợp đồng İstanbul",
            "lodz coeur hop dong istanbul",
        ),
        ("鐘楼で", "鐘楼 楼て\u{3099} て\u{3099}"),
        ("か", "か"),
        ("계약서를", "계약 약서 서를 를"),
        ("किताब", "किताब"),
        ("أحمد مدرسة", "احمد مدرسه"),
        ("C++, C#. a#b 1++2 c+", "c c＋＋ c＃ a b 1 2"),
        ("ok👍🏽!❤️", "ok 👍 ❤"),
        ("\u{e000}a1 <b>", "a1 b"),
    ] {
        let expected = expected.replace("て\u{3099}", "で");
        assert_eq!(words(text), expected, "{text}");
    }
    assert_eq!(words(&"x".repeat(100)), "x".repeat(64));
    let many: String = (0..10_000).map(|n| format!("w{} ", n % 5000)).collect();
    assert_eq!(words(&many).split(' ').count(), MAX_WORDS);
}

#[test]
fn searches_are_parsed() {
    for (text, expected) in [
        ("Bell* tow-er", "bell* tow+er"),
        (" *! ", ""),
        ("bell OR Tower noon", "bell|tower noon"),
        ("bell AND -tower -Noon", "bell !tower !noon"),
        ("- bell -- x", "bell x"),
        ("\"The Bell* r\" x", "the+bell+r x <the bell r>"),
        ("„the bell“ “a”", "the+bell a <the bell>"),
        ("\"open end", "open end"),
        ("C++ c#", "c＋＋ c＃"),
        ("鐘 鐘楼で 鐘楼*", "鐘* 鐘楼+楼で 鐘楼"),
        ("or and", "or and"),
        (
            "OR bell",
            "OR stands between two words: write bell OR tower",
        ),
        (
            "bell OR",
            "OR stands between two words: write bell OR tower",
        ),
        (
            "bell OR -tower",
            "OR joins single words only: write bell OR tower",
        ),
        (
            "\"a b\" OR c",
            "OR stands between two words: write bell OR tower",
        ),
        (
            "-\"a b\" c",
            "- excludes single words only: write -bell -tower",
        ),
        ("-bell", "a search needs a word without - before it"),
        (
            "be*",
            "be* matches too much: write at least 3 letters before *",
        ),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
    assert_eq!(parsed(&"a ".repeat(33)), "a search has at most 32 words");
    assert_eq!(
        parsed(&"鐘楼".repeat(70)),
        "the search is too long; write fewer words"
    );
}

#[test]
fn phrases_match_consecutive_words() {
    let phrase = |text: &str| Search::parse(text).unwrap().phrases.remove(0);
    let bell = phrase("\"the bell\"");
    assert!(contains_phrase("Ring THE, bell!", &bell));
    for text in ["the big bell", "bell the", ""] {
        assert!(!contains_phrase(text, &bell), "{text}");
    }
    assert!(contains_phrase("駅の近くの鐘楼で", &phrase("\"鐘楼\"")));
}
