//! `[component.vcard]`: who a component is, for people.

use std::fs;

use campanile::vcard::Card;

use super::fault::Faults;
use super::table::{Table, Value};

pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Card {
    let mut text = |key, faults: &mut Faults<'_>| {
        table.take(key).and_then(|value: Value<'_>| value.text(faults)).map(str::to_owned)
    };
    let mut card = Card::new();
    if let Some(name) = text("name", faults) {
        card = card.name(name);
    }
    if let Some(nickname) = text("nickname", faults) {
        card = card.nickname(nickname);
    }
    if let Some(url) = text("url", faults) {
        card = card.url(url);
    }
    if let Some(description) = text("description", faults) {
        card = card.description(description);
    }
    let photo = table.take("photo");
    table.finish(faults);
    photo.and_then(|value| with_photo(&card, &value, faults)).unwrap_or(card)
}

fn with_photo(card: &Card, value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Card> {
    let name = value.text(faults)?;
    let path = faults.path(name);
    let what = match fs::read(&path) {
        Ok(file) => match card.clone().photo(file) {
            Ok(card) => return Some(card),
            Err(error) => format!("{}: {error}", path.display()),
        },
        Err(error) => format!("{} cannot be read: {error}", path.display()),
    };
    faults.push(
        &value.span,
        what,
        "name a PNG, JPEG, GIF or WebP file of some 10 KiB; paths begin at this file's folder",
    );
    None
}
