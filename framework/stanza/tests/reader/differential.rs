//! The reader compared with rxml, an independent parser in the same process.

use campanile_stanza::reader::ReaderLimits;

use crate::compare_rxml::check;
use crate::generate::{Rng, document, mutate};
use crate::seen::{events, everywhere, snapshot};
use crate::tree::End;

/// Regression documents, which are also the seed corpus of the fuzz target.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/reader");
    let files =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let documents: Vec<_> = files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(
        documents.len() >= 20,
        "the corpus has {} documents",
        documents.len()
    );
    documents
}

#[test]
fn corpus_agrees_with_rxml_for_every_split() {
    for bytes in corpus() {
        everywhere(&bytes);
        check(&bytes);
    }
}

#[test]
fn generated_documents_agree_with_rxml() {
    let mut rng = Rng(1);
    let mut good = 0;
    for _ in 0..4000 {
        let bytes = document(&mut rng);
        good += usize::from(check(&bytes) != End::Broken);
        pieces(&mut rng, &bytes);
    }
    assert!(
        (1500..3900).contains(&good),
        "{good} of 4000 documents are well-formed: too few or too many"
    );
}

#[test]
fn damaged_documents_agree_with_rxml() {
    let mut rng = Rng(2);
    let mut good = 0;
    for _ in 0..8000 {
        let mut bytes = document(&mut rng);
        mutate(&mut rng, &mut bytes);
        good += usize::from(check(&bytes) != End::Broken);
        pieces(&mut rng, &bytes);
    }
    assert!(
        (1000..6000).contains(&good),
        "{good} of 8000 documents are well-formed"
    );
}

/// Reads the document byte by byte and in four random pieces.
fn pieces(rng: &mut Rng, bytes: &[u8]) {
    let bounds = ReaderLimits::default();
    let wanted = snapshot(&events(bounds, [bytes]));
    assert_eq!(
        wanted,
        snapshot(&events(bounds, bytes.chunks(1))),
        "byte by byte: {}",
        bytes.escape_ascii()
    );
    let mut cuts: Vec<usize> = (0..3).map(|_| rng.below(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let a = cuts[0];
    let b = cuts[1];
    let c = cuts[2];
    let pieces = [&bytes[..a], &bytes[a..b], &bytes[b..c], &bytes[c..]];
    assert_eq!(
        wanted,
        snapshot(&events(bounds, pieces)),
        "{cuts:?}: {}",
        bytes.escape_ascii()
    );
}
