//! `[component.vcard]`: vCards of a component and its bots.

use std::fs;

use campanile::vcard::{VCard, VCardModule};

use super::fault::Faults;
use super::table::{Table, Value};

/// Reads the vCard of the component, and those below `bots` by localpart.
pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> VCardModule {
    let bots = table.table("bots", "[component.vcard.bots]", faults);
    let own = card(&mut table, faults);
    table.finish(faults);
    let cards = VCardModule::new();
    let cards = match (&bots, own == VCard::new()) {
        // A table with only `bots` gives the domain no vCard.
        (Some(_), true) => cards,
        _ => cards.domain(own),
    };
    bots.into_iter()
        .flat_map(Table::all)
        .fold(cards, |cards, value| with_bot(cards, &value, faults))
}

/// Reads `[component.vcard.bots.NAME]`.
fn with_bot(cards: VCardModule, value: &Value<'_>, faults: &mut Faults<'_>) -> VCardModule {
    let Some(mut table) = value.table("[component.vcard.bots.…]", faults) else {
        return cards;
    };
    let card = card(&mut table, faults);
    table.finish(faults);
    match cards.clone().bot(&value.key, card) {
        Ok(cards) => cards,
        Err(error) => {
            let remedy = "name a bot by its localpart, as in [component.vcard.bots.weather]";
            faults.push(&value.key_span, error.to_string(), remedy);
            cards
        }
    }
}

fn card(table: &mut Table<'_>, faults: &mut Faults<'_>) -> VCard {
    let mut text = |key, faults: &mut Faults<'_>| {
        table
            .take(key)
            .and_then(|value: Value<'_>| value.text(faults))
            .map(str::to_owned)
    };
    let mut card = VCard::new();
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
    photo
        .and_then(|value| with_photo(&card, &value, faults))
        .unwrap_or(card)
}

pub(super) fn with_photo(
    card: &VCard,
    value: &Value<'_>,
    faults: &mut Faults<'_>,
) -> Option<VCard> {
    let name = value.text(faults)?;
    let path = faults.path(name);
    let what = match fs::read(&path) {
        Ok(file) => match card.clone().photo(file) {
            Ok(card) => return Some(card),
            Err(error) => format!("{}: {error}", path.display()),
        },
        Err(error) => format!("cannot read {}: {error}", path.display()),
    };
    faults.push(
        &value.span,
        what,
        "name a PNG, JPEG, GIF or WebP file of about 10 KiB; paths are relative to this file's \
        folder",
    );
    None
}
