//! Folding of characters that people type in different ways: case, accents, letters with strokes,
//! ligatures and compatibility forms.

use unicode_normalization::UnicodeNormalization;

/// Folds a text, and calls `each` with each character.
///
/// Marks that are accents are removed: those of Latin, Greek and Cyrillic, and the points of Hebrew
/// and Arabic. Those that are vowels, as in Hindi and Thai, stay.
pub(super) fn fold(text: &str, mut each: impl FnMut(char)) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c: char| c.is_ascii() != first.is_ascii())
            .unwrap_or(rest.len());
        let (part, more) = rest.split_at(end);
        if first.is_ascii() {
            part.chars().for_each(|c| each(c.to_ascii_lowercase()));
        } else {
            let decomposed = part.chars().nfkd().filter(|c| !is_ignored(*c));
            // Composed again: the voiced kana and the syllables of Korean are letters of their own.
            decomposed.nfc().for_each(|c| fold_char(c, &mut each));
        }
        rest = more;
    }
}

fn fold_char(c: char, each: &mut impl FnMut(char)) {
    for c in c.to_lowercase().filter(|c| !is_ignored(*c)) {
        match expansion(c) {
            "" => each(c),
            letters => letters.chars().for_each(&mut *each),
        }
    }
}

/// Letters that Unicode does not decompose, but that people type without their stroke or as two.
fn expansion(c: char) -> &'static str {
    match c {
        'ς' => "σ",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ħ' => "h",
        'ŧ' => "t",
        'ŋ' => "n",
        'ı' => "i",
        // Arabic, and the forms of Persian and Urdu.
        'ة' => "ه",
        'ى' | 'ی' => "ي",
        'ک' => "ك",
        'ٱ' => "ا",
        _ => "",
    }
}

/// Returns `true` for accents, points, and characters that only change the appearance of others.
fn is_ignored(c: char) -> bool {
    matches!(
        u32::from(c),
        // Accents.
        0x0300..=0x036f | 0x0483..=0x0487 | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff
            | 0xfe20..=0xfe2f
            // Points and cantillation of Hebrew, vowels and signs of Arabic, its elongation.
            | 0x0591..=0x05bd | 0x05bf | 0x05c1..=0x05c2 | 0x05c4..=0x05c5 | 0x05c7
            | 0x0610..=0x061a | 0x0640 | 0x064b..=0x065f | 0x0670 | 0x06d6..=0x06dc
            | 0x06df..=0x06e8 | 0x06ea..=0x06ed
            // Soft hyphen, joiners, direction, variants, and the skin tones of emoji.
            | 0x00ad | 0x200b..=0x200f | 0x2060 | 0xfeff | 0xfe00..=0xfe0f | 0x1f3fb..=0x1f3ff
            | 0xe_0100..=0xe_01ef
    )
}
