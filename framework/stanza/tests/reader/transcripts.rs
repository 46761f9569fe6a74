//! Streams of Prosody 0.12 and ejabberd 23, based on recordings.

use crate::seen::{Seen, everywhere};

fn kinds(wire: &str) -> Vec<String> {
    let kind = |seen: &Seen| match seen {
        Seen::Open {
            id,
            from,
            to,
            namespace,
        } => format!("open {id} {from:?} {to:?} {namespace}"),
        Seen::Stanza { head, children } => {
            let names: Vec<_> = children.iter().map(|child| child.name.as_str()).collect();
            format!(
                "{} {} {}",
                head.kind,
                head.id.as_deref().unwrap_or("-"),
                names.join(" ")
            )
        }
        Seen::Rejected { head, defect } => format!("rejected {} {defect:?}", head.kind),
        Seen::Element { name, children, .. } => {
            let names: Vec<_> = children.iter().map(|child| child.name.as_str()).collect();
            format!("<{name}> {}", names.join(" "))
        }
        Seen::Close => "close".to_owned(),
        Seen::Failed(fault) => format!("fault {}", fault.condition()),
    };
    everywhere(wire.as_bytes()).iter().map(kind).collect()
}

#[test]
fn prosody_stream_opens() {
    let wire = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
        id='20722f1c-f093' \
        xmlns:stream='http://etherx.jabber.org/streams' xml:lang='en' \
        from='echo.localhost'><handshake/>\
        <message type='chat' to='bot@echo.localhost' id='1' xml:lang='en' from='alice@localhost/r'>\
        <body>it&apos;s &quot;here&quot;</body></message> ";
    let wanted = [
        "open 20722f1c-f093 Some(\"echo.localhost\") None jabber:component:accept",
        "<handshake> ",
        "message chat 1 body",
    ];
    assert_eq!(kinds(wire), wanted);
}

#[test]
fn prosody_error_before_the_handshake_is_read() {
    let wire = "<?xml version='1.0'?><stream:stream \
        xmlns:stream='http://etherx.jabber.org/streams' version='1.0' \
        xmlns='jabber:component:accept' id=''><stream:error><host-unknown \
        xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>missing.localhost does not match any \
        configured external \
        components</text></stream:error></stream:stream>";
    assert_eq!(
        kinds(wire),
        [
            "open  None None jabber:component:accept",
            "<error> host-unknown text",
            "close"
        ]
    );
}

#[test]
fn prosody_generated_prefixes_are_read() {
    let wire = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
        xmlns='jabber:component:accept' id='2'>\
        <message from='alice@localhost/r' to='bot@echo.localhost'><z xmlns:ns1='urn:x' ns1:k='1' \
        xmlns='urn:x'/></message>\
        <handshake type='error'><error type='modify'><bad-request \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>\
        </handshake>";
    assert_eq!(
        kinds(wire),
        [
            "open 2 None None jabber:component:accept",
            "message normal - z",
            "<handshake> error"
        ]
    );
}

#[test]
fn ejabberd_stream_with_reordered_children_is_read() {
    let wire = "<?xml version='1.0'?><stream:stream id='17944100300096875724' xml:lang='en' \
        xmlns:stream='http://etherx.jabber.org/streams' to='me.localhost' from='echo.localhost' \
        xmlns='jabber:component:accept'><handshake/>\
        <message xml:lang='en' to='Bot@ECHO.localhost' from='alice@localhost/r' type='chat' id='3'>\
        <html xmlns='http://jabber.org/protocol/xhtml-im'><body \
        xmlns='http://www.w3.org/1999/xhtml'><b>x</b></body>\
        </html><body>line1\nline2</body></message>\
        <iq xml:lang='en' to='echo.localhost' from='localhost' type='get' \
        id='rr-1795333192527-5800364870706375391-xzCfw66wRr3T4G2nu8gnujXgBA0=-100824273'>\
        <query xmlns='http://jabber.org/protocol/disco#info'/></iq>\
        <message to='echo.localhost' from='nouser@localhost' type='error' id='p13'><error \
        type='cancel'>\
        <service-unavailable \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error><body>x</body></message>";
    let wanted = [
        "open 17944100300096875724 Some(\"echo.localhost\") Some(\"me.localhost\") \
        jabber:component:accept",
        "<handshake> ",
        "message chat 3 html body",
        "iq get rr-1795333192527-5800364870706375391-xzCfw66wRr3T4G2nu8gnujXgBA0=-100824273 query",
        "message error p13 error body",
    ];
    assert_eq!(kinds(wire), wanted);
}

#[test]
fn ejabberd_rejections_are_read() {
    let wire = "<?xml version='1.0'?><stream:stream id='7331121208035364653' xml:lang='en' \
        xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>\
        <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text \
        xml:lang='en'>SASL negotiation is \
        not allowed in this state</text></failure>\
        <iq type='error' id='p3' from='' to='echo.localhost'><ping xmlns='urn:xmpp:ping'/><error \
        type='modify'>\
        <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>\
        <stream:error><not-authorized \
        xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
    let wanted = [
        "open 7331121208035364653 None None jabber:component:accept",
        "<failure> not-authorized text",
        "iq error p3 ping error",
        "<error> not-authorized",
        "close",
    ];
    assert_eq!(kinds(wire), wanted);
}
