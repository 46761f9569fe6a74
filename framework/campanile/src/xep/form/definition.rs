//! Form definitions.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xmpp_parsers::data_forms::{DataForm, DataFormType, Field as FieldElement, FieldType};

use super::{FORM_TYPE, Field, FormError, Table, read, reflect, write};

/// The definition of a form: its fields, title and instructions.
///
/// ```
/// use campanile::form::{Definition, Field};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Order { sku: String, count: u32, size: Size, gift: bool, note: Option<String> }
///
/// #[derive(Deserialize)]
/// #[serde(rename_all = "lowercase")]
/// enum Size { Small, Large }
///
/// let definition = Definition::of::<Order>()
///     .title("An order")
///     .edit("sku", |field| field.label("Article"))
///     .edit("size", |field| field.option("small", "Pocket size").option("large", "Full size"));
/// assert_eq!(definition.blank().fields.len(), 5);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Definition {
    form_type: Option<String>,
    title: Option<String>,
    instructions: Option<String>,
    fields: Vec<Field>,
    /// Checks that fields can be read as the struct that the definition was made of.
    typed: Option<Typed>,
}

/// Deserializes fields as a certain struct and discards the value.
type Typed = fn(&[FieldElement]) -> Result<(), FormError>;

impl Definition {
    /// Creates a form without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a form with the fields of a struct.
    ///
    /// | Rust type | field type |
    /// |---|---|
    /// | `bool` | boolean (check box) |
    /// | enum without data | list-single (one of its variants) |
    /// | `Vec` of such an enum | list-multi |
    /// | any other `Vec` | text-multi |
    /// | anything else | text-single |
    ///
    /// A field is required unless its type is `Option`, `Vec` or `bool`.
    ///
    /// # Panics
    /// If `T` is not a struct with named fields, or has a `#[serde(flatten)]` field.
    #[must_use]
    #[track_caller]
    pub fn of<T: DeserializeOwned>() -> Self {
        match reflect::fields::<T>() {
            Some(fields) => Self {
                fields,
                typed: Some(|fields| read::<T>(fields).map(drop)),
                ..Self::default()
            },
            None => panic!(
                "{} is not a struct with named fields, so it cannot be a form",
                std::any::type_name::<T>()
            ),
        }
    }

    /// Sets the form type (`FORM_TYPE`), which tells programs what the fields mean (XEP-0068).
    #[must_use]
    pub fn form_type(mut self, form_type: impl Into<String>) -> Self {
        self.form_type = Some(form_type.into());
        self
    }

    /// Sets the title.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the instructions, which clients show above the fields.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Adds a field, or replaces the field of the same name.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        match self
            .fields
            .iter_mut()
            .find(|known| known.var().is_some() && known.var() == field.var())
        {
            Some(known) => *known = field,
            None => self.fields.push(field),
        }
        self
    }

    /// Changes an existing field, for example to set its label.
    ///
    /// # Panics
    /// If the form has no field of this name.
    #[must_use]
    #[track_caller]
    pub fn edit(mut self, var: &str, edit: impl FnOnce(Field) -> Field) -> Self {
        let Some(at) = self
            .fields
            .iter()
            .position(|field| field.var() == Some(var))
        else {
            panic!("the form has no field {var:?}");
        };
        self.fields[at] = edit(self.fields[at].clone());
        self
    }

    /// Returns the fields.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the form for the user to fill in.
    #[must_use]
    pub fn blank(&self) -> DataForm {
        self.form(
            DataFormType::Form,
            self.fields.iter().map(|field| field.0.clone()).collect(),
        )
    }

    /// Returns the form for the user to fill in, with initial values from a struct.
    ///
    /// # Errors
    /// If a value cannot be represented in a field.
    pub fn filled<T: Serialize + ?Sized>(&self, values: &T) -> Result<DataForm, FormError> {
        Ok(self.with_values(&write(values)?))
    }

    /// Returns the form for the user to fill in, with initial values from other fields.
    #[must_use]
    pub(crate) fn with_values(&self, values: &[FieldElement]) -> DataForm {
        let mut form = self.blank();
        for field in &mut form.fields {
            let known =
                |value: &&FieldElement| value.var == field.var && field.type_ != FieldType::Fixed;
            if let Some(value) = values.iter().find(known) {
                field.values.clone_from(&value.values);
            }
        }
        form
    }

    /// Returns a form of type result with these values and the labels of this form.
    ///
    /// # Errors
    /// If a value cannot be represented in a field.
    pub fn result<T: Serialize + ?Sized>(&self, values: &T) -> Result<DataForm, FormError> {
        let fields = write(values)?
            .into_iter()
            .map(|field| self.labelled(field))
            .collect();
        Ok(DataForm {
            instructions: None,
            ..self.form(DataFormType::Result_, fields)
        })
    }

    /// Returns a form of type submit with these values: the answer to a form of a peer.
    ///
    /// # Errors
    /// If a value cannot be represented in a field.
    pub fn submit<T: Serialize + ?Sized>(&self, values: &T) -> Result<DataForm, FormError> {
        let fields = write(values)?.into_iter().map(|field| FieldElement {
            label: None,
            ..self.labelled(field)
        });
        let form = self.form(DataFormType::Submit, fields.collect());
        Ok(DataForm {
            title: None,
            instructions: None,
            ..form
        })
    }

    /// Returns rows of values as a table, with the labels of this form as column headings.
    ///
    /// # Errors
    /// If a value cannot be represented in a field.
    pub fn table<'r, T: Serialize + 'r>(
        &self,
        rows: impl IntoIterator<Item = &'r T>,
    ) -> Result<Table, FormError> {
        let heads = self
            .fields
            .iter()
            .filter(|field| field.var().is_some() && field.0.type_ != FieldType::Hidden);
        let heads = heads
            .map(|field| {
                self.labelled(FieldElement {
                    values: Vec::new(),
                    ..field.0.clone()
                })
            })
            .collect();
        Table::new(self.form_type.as_deref(), self.title.clone(), heads, rows)
    }

    /// Checks a submitted form and deserializes it.
    ///
    /// # Errors
    /// If a field violates this definition, or cannot be deserialized as its type in `T`.
    pub fn read<T: DeserializeOwned>(&self, form: &DataForm) -> Result<T, FormError> {
        self.rules(form)?;
        read(&self.complete(&form.fields))
    }

    /// Checks a submitted form against this definition. Unknown fields are ignored.
    ///
    /// # Errors
    /// If the form is not of type submit or has another form type, or if a field violates the
    /// definition or cannot be deserialized as its type in the struct that the definition was
    /// [made of](Self::of).
    pub fn check(&self, form: &DataForm) -> Result<(), FormError> {
        self.rules(form)?;
        self.typed
            .map_or(Ok(()), |typed| typed(&self.complete(&form.fields)))
    }

    fn rules(&self, form: &DataForm) -> Result<(), FormError> {
        if form.type_ != DataFormType::Submit {
            return Err(FormError::new("was not submitted"));
        }
        match (&self.form_type, form.form_type()) {
            (Some(wanted), Some(found)) if wanted != found => {
                return Err(FormError::new(format!(
                    "is of type {found}, expected {wanted}"
                )));
            }
            _ => {}
        }
        self.fields
            .iter()
            .try_for_each(|field| field.check(values_of(&form.fields, field)))
    }

    /// Returns the submitted fields that are part of this definition, including those that clients
    /// leave out when they are empty.
    pub(crate) fn complete(&self, fields: &[FieldElement]) -> Vec<FieldElement> {
        let asked = self.fields.iter().filter_map(|field| {
            let found = fields
                .iter()
                .find(|found| found.var.is_some() && found.var == field.0.var);
            let left_out = || Some(FieldElement::new(field.var()?, field.0.type_.clone()));
            found.cloned().or_else(|| {
                if field.may_be_left_out() {
                    left_out()
                } else {
                    None
                }
            })
        });
        asked.collect()
    }

    fn form(&self, kind: DataFormType, mut fields: Vec<FieldElement>) -> DataForm {
        if let Some(form_type) = &self.form_type {
            fields.insert(
                0,
                FieldElement::new(FORM_TYPE, FieldType::Hidden).with_value(form_type),
            );
        }
        DataForm {
            type_: kind,
            title: self.title.clone(),
            instructions: self.instructions.clone(),
            fields,
        }
    }

    /// Adds type and label of the definition to a field, without the attributes that only matter
    /// for input.
    fn labelled(&self, field: FieldElement) -> FieldElement {
        match self.fields.iter().find(|known| known.0.var == field.var) {
            Some(known) => FieldElement {
                type_: known.0.type_.clone(),
                label: known.0.label.clone(),
                ..bare(field)
            },
            None => field,
        }
    }
}

fn bare(field: FieldElement) -> FieldElement {
    FieldElement {
        required: false,
        desc: None,
        options: Vec::new(),
        validate: None,
        ..field
    }
}

fn values_of<'f>(fields: &'f [FieldElement], field: &Field) -> &'f [String] {
    fields
        .iter()
        .find(|found| found.var == field.0.var)
        .map_or(&[], |found| &found.values)
}
