//! Payloads as services send them.

use super::*;
use crate::stanza::Stanza;

fn user(xml: &str) -> MucUser {
    let presence = format!("<presence>{xml}</presence>");
    Stanza::parse(&presence).unwrap().child().unwrap()
}

#[test]
fn self_presence_has_statuses_and_a_real_jid() {
    let user = user(
        "<x xmlns='http://jabber.org/protocol/muc#user'><status code='100'/>\
         <item jid='bot.example.org' affiliation='owner' role='moderator'/>\
         <status code='201'/><status code='110'/></x>",
    );
    assert_eq!(user.statuses, [100, 201, 110]);
    assert!(user.has(status::SELF_PRESENCE) && !user.has(status::KICKED));
    let item = user.item();
    assert_eq!(item.affiliation, Some(Affiliation::Owner));
    assert_eq!(item.role, Some(Role::Moderator));
    assert_eq!(item.jid.unwrap().as_str(), "bot.example.org");
}

#[test]
fn kick_names_its_actor_and_reason() {
    let user = user(
        "<x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='none' role='none'><actor nick='boss'/><reason>spam</reason></item>\
         <status code='307'/></x>",
    );
    let item = user.item();
    assert_eq!(item.actor.unwrap().nick.as_deref(), Some("boss"));
    assert_eq!(item.reason.as_deref(), Some("spam"));
}

#[test]
fn unknown_children_and_unrepresentable_addresses_are_permitted() {
    let user = user(
        "<x xmlns='http://jabber.org/protocol/muc#user' rev='7'>\
         <item jid='a@example.org/\u{1f40e}' affiliation='member' role='participant' n='1'>\
         <since xmlns='urn:x'/><actor jid='@'/></item><status code='999'/><log/></x>",
    );
    assert_eq!(user.statuses, [999]);
    let item = user.item();
    assert_eq!(item.jid, jid::Jid::new("a@example.org/\u{1f40e}").ok());
    assert_eq!(item.role, Some(Role::Participant));
    assert_eq!(item.actor, Some(MucActor::default()));
}

#[test]
fn end_of_a_room_names_the_next_one() {
    let user = user(
        "<x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='none' role='none'/>\
         <destroy jid='new@rooms.example.org'><reason>moved</reason></destroy></x>",
    );
    let destroy = user.destroy.unwrap();
    assert_eq!(destroy.jid.unwrap().as_str(), "new@rooms.example.org");
    assert_eq!(destroy.reason.as_deref(), Some("moved"));
}

#[test]
fn invitations_round_trip() {
    let mediated = "<message><x xmlns='http://jabber.org/protocol/muc#user'>\
        <invite from='alice@example.org/desk'><reason>come</reason></invite>\
        <password>sesame</password></x></message>";
    let user: MucUser = Stanza::parse(mediated).unwrap().child().unwrap();
    let invitation = &user.invitations[0];
    assert_eq!(
        invitation.from.as_ref().unwrap().as_str(),
        "alice@example.org/desk"
    );
    assert_eq!(invitation.reason.as_deref(), Some("come"));
    assert_eq!(user.password.as_deref(), Some("sesame"));
    let again = Stanza::chat(jid::Jid::new("x@example.org").unwrap(), "come")
        .unwrap()
        .with_child(&user)
        .unwrap();
    assert_eq!(again.child::<MucUser>().unwrap(), user);

    let direct = "<message><x xmlns='jabber:x:conference' jid='hall@rooms.example.org' \
        continue='true' thread='t1'/></message>";
    let invitation: RoomInvitation = Stanza::parse(direct).unwrap().child().unwrap();
    assert_eq!(invitation.jid.as_str(), "hall@rooms.example.org");
    assert_eq!(invitation.thread.as_deref(), Some("t1"));
}

#[test]
fn requests_of_moderators_and_owners_round_trip() {
    let kick = MucAdmin {
        items: vec![MucAdminItem {
            nick: Some("mallory".to_owned()),
            role: Some(Role::None),
            reason: Some("spam".to_owned()),
            ..MucAdminItem::default()
        }],
    };
    let room = jid::Jid::new("hall@rooms.example.org").unwrap();
    let request = Stanza::iq_set(room.clone(), &kick).unwrap();
    assert_eq!(
        String::from_utf8_lossy(request.children().as_bytes()),
        "<query xmlns='http://jabber.org/protocol/muc#admin'><item role='none' nick='mallory'>\
         <reason>spam</reason></item></query>"
    );
    assert_eq!(request.child::<MucAdmin>().unwrap(), kick);
    let destroy = MucOwner {
        destroy: Some(MucOwnerDestroy {
            jid: Some(room.clone()),
            reason: None,
        }),
        form: None,
    };
    let request = Stanza::iq_set(room, &destroy).unwrap();
    assert_eq!(request.child::<MucOwner>().unwrap(), destroy);
}
