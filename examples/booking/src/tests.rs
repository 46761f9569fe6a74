//! Tests of the command, through forms and through the chat.

use campanile::error::{Condition, StanzaError};
use campanile_testing::Mounted;
use campanile_testing::host::User;

use super::*;

const ROOMS: &str = "rooms.localhost";

async fn mounted() -> Mounted {
    campanile_testing::mount(ROOMS, |bot| bot.router(app("porter@localhost"))).await
}

fn request(attributes: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let form = if fields.is_empty() {
        fields
    } else {
        format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
    };
    format!(
        "<iq type='set' to='{ROOMS}'><command xmlns='http://jabber.org/protocol/commands' \
        node='book' {attributes}>\
         {form}</command></iq>"
    )
}

/// Submits a step. Returns the session id and the reply.
async fn step(user: &User, attributes: &str, fields: &[(&str, &str)]) -> (String, String) {
    let answer = user
        .request(request(attributes, fields))
        .await
        .unwrap_or_else(|why| panic!("{why}"));
    let command = answer
        .children()
        .first()
        .unwrap_or_else(|| panic!("{}", answer.to_xml()));
    let session = command
        .attribute("sessionid")
        .unwrap_or_default()
        .into_owned();
    (session, command.as_str().to_owned())
}

#[track_caller]
fn holds(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn wizard_books_room_step_by_step() {
    let bot = mounted().await;
    let alice = bot.user("alice@localhost");
    let (session, first) = step(&alice, "action='execute'", &[]).await;
    holds(
        &first,
        &[
            "<actions execute='next'><next/></actions>",
            "<title>A room</title>",
            "<value>2</value>",
        ],
    );
    let session = format!("sessionid='{session}'");
    let (_, second) = step(&alice, &session, &[("day", "tuesday"), ("people", "5")]).await;
    holds(
        &second,
        &[
            "<actions execute='next'><prev/><next/><complete/></actions>",
            "The hall, for forty",
        ],
    );
    assert!(
        !second.contains("attic"),
        "the attic is too small: {second}"
    );
    let (_, again) = step(&alice, &format!("{session} action='prev'"), &[]).await;
    holds(&again, &["<value>tuesday</value>", "<value>5</value>"]);
    step(&alice, &session, &[("day", "tuesday"), ("people", "3")]).await;
    let (_, third) = step(&alice, &session, &[("room", "attic")]).await;
    holds(
        &third,
        &[
            "<actions execute='complete'><prev/><complete/></actions>",
            "A projector",
        ],
    );
    let (_, done) = step(
        &alice,
        &session,
        &[("projector", "true"), ("note", "tea, please")],
    )
    .await;
    holds(
        &done,
        &[
            "status='completed'",
            "The attic is yours on Tuesday, with a projector.",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn optional_step_can_be_skipped() {
    let bot = mounted().await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    let mut sessions = Vec::new();
    for user in [&alice, &bob] {
        let (session, _) = step(user, "", &[]).await;
        step(
            user,
            &format!("sessionid='{session}'"),
            &[("day", "friday"), ("people", "3")],
        )
        .await;
        sessions.push(format!("sessionid='{session}' action='complete'"));
    }
    let (_, done) = step(&alice, &sessions[0], &[("room", "attic")]).await;
    holds(
        &done,
        &["status='completed'", "The attic is yours on Friday."],
    );
    // The second user gets an error and books another room.
    let late = bob
        .request(request(&sessions[1], &[("room", "attic")]))
        .await
        .unwrap_or_else(|why| panic!("{why}"));
    let error = StanzaError::from_stanza(&late);
    let wanted = (
        Condition::BadRequest,
        Some("field \"room\" is not free any more"),
    );
    assert_eq!((error.condition(), error.text()), wanted);
    let (_, done) = step(&bob, &sessions[1], &[("room", "library")]).await;
    holds(&done, &["The library is yours on Friday."]);
}

#[tokio::test(start_paused = true)]
async fn chat_command_books_room_in_one_line() -> Result<(), Box<dyn std::error::Error>> {
    let bot = mounted().await;
    let alice = bot.user("alice@localhost");
    let porter = bot.user("porter@localhost");
    let rows = [
        (
            &alice,
            "!help",
            "Commands:\n!book <day> <people> [...] – Book a room",
        ),
        (
            &alice,
            "!book Tuesday 3 Attic",
            "The attic is yours on Tuesday.",
        ),
        (
            &alice,
            "!book tuesday 3 library yes \"tea, please\"",
            "The library is yours on Tuesday, with a projector.",
        ),
        (
            &alice,
            "!book tuesday 3 attic",
            "field \"room\" must be one of hall, not \"attic\"\nUsage: !book <day> \
            <people> [...]",
        ),
        (
            &alice,
            "!book tuesday 41",
            "field \"people\" is too large for the rooms that are free\nUsage: !book <day> \
            <people> [...]",
        ),
        (
            &alice,
            "!bookings",
            "Error: you are not allowed to use this command",
        ),
        (
            &porter,
            "!bookings",
            "Bookings\nDay | Room | Who | Note\ntuesday | attic | alice@localhost | \n\
             tuesday | library | alice@localhost | tea, please",
        ),
    ];
    for (user, said, wanted) in rows {
        user.say(ROOMS, said).await?;
        let answer = user.recv().await.ok_or("the host is closed")?;
        let body = answer
            .children()
            .find("jabber:client", "body")
            .ok_or("the reply has no body")?;
        assert_eq!(body.text(), wanted, "{said}");
    }
    Ok(())
}
