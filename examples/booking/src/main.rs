//! A multi-step ad-hoc command that books a room. One definition serves clients that show forms
//! (XEP-0050) and users who write one line in a chat: `!book tuesday 3 attic`.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `rooms.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-booking
//! ```

mod calendar;

use campanile::adhoc::{Command, Commands};
use campanile::extract::{Sender, State};
use campanile::form::{Definition, Field, Form, FormError, Table};
use campanile::{Component, Router, shutdown_signal};
use serde::Deserialize;

use self::calendar::{Calendar, Day};

/// Fields of the first form.
#[derive(Debug, Deserialize)]
struct Wish {
    day: Day,
    people: u8,
}

/// Fields of all forms together.
#[derive(Debug, Deserialize)]
struct Booking {
    day: Day,
    people: u8,
    room: String,
    projector: bool,
    note: Option<String>,
}

/// Returns the second form: a choice of rooms that are free and large enough.
async fn rooms(
    State(calendar): State<Calendar>,
    Form(wish): Form<Wish>,
) -> Result<Definition, FormError> {
    let free = calendar.free(wish.day, wish.people);
    if free.is_empty() {
        return Err(FormError::field(
            "people",
            "is too large for the rooms that are free",
        ));
    }
    let rooms = Field::choice("room").label("Room").required();
    let rooms = free
        .iter()
        .fold(rooms, |field, room| field.option(room.name, room.about));
    Ok(Definition::new().title("Which room?").field(rooms))
}

/// Returns the third form, which is optional.
async fn extras() -> Definition {
    Definition::new()
        .title("Anything else?")
        .field(Field::boolean("projector").label("A projector"))
        .field(Field::text("note").label("A note for the porter"))
}

async fn book(
    Sender(who): Sender,
    State(calendar): State<Calendar>,
    Form(booking): Form<Booking>,
) -> Result<String, FormError> {
    let Booking {
        day,
        people,
        room,
        projector,
        note,
    } = booking;
    // Another user may have booked the room meanwhile, or a program may have submitted a room that
    // was not offered.
    let wanted = calendar
        .free(day, people)
        .into_iter()
        .find(|free| free.name == room);
    let room = wanted.filter(|room| calendar.take(day, room, who.to_bare().to_string(), note));
    let room = room.ok_or_else(|| FormError::field("room", "is not free any more"))?;
    let projector = if projector { ", with a projector" } else { "" };
    Ok(format!("The {} is yours on {day}{projector}.", room.name))
}

async fn bookings(State(calendar): State<Calendar>) -> Result<Table, FormError> {
    let bookings = calendar.bookings();
    Definition::new()
        .title("Bookings")
        .field(Field::text("day").label("Day"))
        .field(Field::text("room").label("Room"))
        .field(Field::text("who").label("Who"))
        .field(Field::text("note").label("Note"))
        .table(&bookings)
}

fn app(porter: &str) -> Router {
    let wish = Definition::of::<Wish>()
        .title("A room")
        .edit("day", |field| field.label("Day"))
        .edit("people", |field| {
            field.label("How many are you?").value("2")
        });
    let book = Command::new("book", "Book a room", book)
        .form(wish)
        .step(rooms)
        .allow_complete()
        .step(extras);
    let bookings = Command::new("bookings", "All bookings", bookings).allow([porter]);
    Router::new()
        .adhoc(Commands::new().add(book).add(bookings).chat("!"))
        .with_state(Calendar::default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let app = app("porter@localhost");
    let bot = Component::builder("rooms.localhost")
        .server("127.0.0.1:5347")
        .secret(secret)
        .router(app)
        .build()?;
    Ok(bot.run_until(shutdown_signal()).await?)
}

#[cfg(test)]
mod tests;
