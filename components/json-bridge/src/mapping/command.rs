//! Ad-hoc commands (XEP-0050) as JSON: a node, or an object with `node`, `action`, `actions`,
//! `status`, `sessionid`, `note`, `form` and `data`.

use campanile::minidom::Element;
use serde_json::{Map, Value};

use super::dataform;
use super::fault::Fault;
use super::shape::{Codec, Field, Place, Shape, read, set, string, write};

const NOTE: Shape = Shape::Record(&[
    Field {
        key: "type",
        place: Place::Attribute("type"),
    },
    Field {
        key: "text",
        place: Place::Own,
    },
]);
const ACTIONS: Shape = Shape::Record(&[
    Field {
        key: "execute",
        place: Place::Attribute("execute"),
    },
    Field {
        key: "prev",
        place: Place::Child("prev", &Shape::Flag),
    },
    Field {
        key: "next",
        place: Place::Child("next", &Shape::Flag),
    },
    Field {
        key: "complete",
        place: Place::Child("complete", &Shape::Flag),
    },
]);
const WHOLE: Shape = Shape::Record(&[
    Field {
        key: "node",
        place: Place::Attribute("node"),
    },
    Field {
        key: "action",
        place: Place::Attribute("action"),
    },
    Field {
        key: "status",
        place: Place::Attribute("status"),
    },
    Field {
        key: "sessionid",
        place: Place::Attribute("sessionid"),
    },
    Field {
        key: "actions",
        place: Place::Child("actions", &ACTIONS),
    },
    Field {
        key: "note",
        place: Place::Child("note", &NOTE),
    },
    Field {
        key: "form",
        place: Place::Foreign(dataform::NS, "x", &dataform::FORM),
    },
]);

/// The codec of commands.
pub(super) const COMMAND: Codec = Codec {
    read: read_command,
    write: write_command,
};

fn read_command(command: &Element) -> Value {
    let value = read(&WHOLE, command);
    match value {
        Value::Object(members) if members.len() == 1 && members.contains_key("node") => {
            members["node"].clone()
        }
        whole => whole,
    }
}

fn write_command(command: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    let Value::Object(members) = value else {
        set(command, "node", &string(value, path)?);
        return Ok(());
    };
    // `data` is the short notation of a submitted form.
    let mut members: Map<_, _> = members.clone();
    if let Some(data) = members.remove("data") {
        members.entry("form").or_insert(data);
    }
    write(&WHOLE, command, &members.into(), path)
}
