//! Positions of the tables of a component, for faults that show only when its modules are built.

use super::draft::At;
use super::fault::{Fault, Faults};
use super::setting_fault::SECTIONS;
use crate::builtin_modules;

/// Line and column, both counted from 1.
type Position = (usize, usize);

/// The positions of one component and its tables.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    file: String,
    jid: Position,
    tables: Vec<(&'static str, Position)>,
}

impl Places {
    pub(super) fn of(at: At<'_>, faults: &Faults<'_>) -> Self {
        let names = SECTIONS
            .into_iter()
            .chain(builtin_modules::catalog().names());
        let tables = names.filter_map(|name| {
            let span = at.find(&[name])?;
            Some((name, faults.position(&span)))
        });
        Self {
            file: faults.file().to_owned(),
            jid: faults.position(&at.span(&["jid"])),
            tables: tables.collect(),
        }
    }

    /// Returns a fault at a table of the component, or at its JID if it has no such table.
    pub(crate) fn fault(&self, table: Option<&str>, what: String, remedy: String) -> Fault {
        Fault {
            file: self.file.clone(),
            at: table
                .and_then(|table| self.position(table))
                .unwrap_or(self.jid),
            what,
            remedy,
        }
    }

    /// Returns the line of a table.
    pub(crate) fn line(&self, table: &str) -> Option<usize> {
        self.position(table).map(|(line, _)| line)
    }

    fn position(&self, table: &str) -> Option<Position> {
        let found = self.tables.iter().find(|(name, _)| *name == table);
        found.map(|(_, position)| *position)
    }
}
