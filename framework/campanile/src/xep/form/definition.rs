//! What a form asks for.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xmpp_parsers::data_forms::{DataForm, DataFormType, Field as FieldElement, FieldType};

use super::{FORM_TYPE, Field, FormError, Table, read, reflect, write};

/// What a form asks for: its fields, and the words around them.
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
///     .edit("size", |field| field.option("small", "fits in a pocket").option("large", "does not"));
/// assert_eq!(definition.blank().fields.len(), 5);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Definition {
    form_type: Option<String>,
    title: Option<String>,
    instructions: Option<String>,
    fields: Vec<Field>,
    /// Whether the fields can be read as the struct that they were made of.
    typed: Option<Typed>,
}

/// Reads fields as some struct, and says only whether that can be done.
type Typed = fn(&[FieldElement]) -> Result<(), FormError>;

impl Definition {
    /// A form without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A form with the fields of a struct: `bool` is a box to tick, an enum a choice among its
    /// variants, `Vec` of an enum several of them, any other `Vec` several lines, all else a line
    /// of text. What is no `Option`, `Vec` or `bool` is required.
    ///
    /// # Panics
    /// When `T` is no struct with named fields, or has `#[serde(flatten)]`.
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
                "{} is no struct whose fields can be the fields of a form",
                std::any::type_name::<T>()
            ),
        }
    }

    /// Names the form, so that programs know what its fields mean (XEP-0068).
    #[must_use]
    pub fn form_type(mut self, form_type: impl Into<String>) -> Self {
        self.form_type = Some(form_type.into());
        self
    }

    /// Sets its title.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what people read before they fill it in.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Adds a field, in place of one of the same name.
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

    /// Changes a field.
    ///
    /// # Panics
    /// When there is no field of this name.
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

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The form to be filled in.
    #[must_use]
    pub fn blank(&self) -> DataForm {
        self.form(
            DataFormType::Form,
            self.fields.iter().map(|field| field.0.clone()).collect(),
        )
    }

    /// The form to be filled in, with these values in it already.
    ///
    /// # Errors
    /// When a value has no place in a field.
    pub fn filled<T: Serialize + ?Sized>(&self, values: &T) -> Result<DataForm, FormError> {
        Ok(self.with_values(&write(values)?))
    }

    /// The form to be filled in, with the values of these fields in it already.
    #[must_use]
    pub fn with_values(&self, values: &[FieldElement]) -> DataForm {
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

    /// These values as a result, with the labels of this form.
    ///
    /// # Errors
    /// When a value has no place in a field.
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

    /// These values as the form filled in: what one sends to whoever asked.
    ///
    /// # Errors
    /// When a value has no place in a field.
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

    /// Rows of values as a result, with the labels of this form as their heads.
    ///
    /// # Errors
    /// When a value has no place in a field.
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

    /// Reads a form that was filled in.
    ///
    /// # Errors
    /// When a field breaks a rule of this definition, or is no value of its type in `T`.
    pub fn read<T: DeserializeOwned>(&self, form: &DataForm) -> Result<T, FormError> {
        self.rules(form)?;
        read(&self.complete(&form.fields))
    }

    /// Whether a form was filled in as this definition demands. What the definition does not know
    /// plays no part.
    ///
    /// # Errors
    /// When it was not filled in, belongs to another form, or one of its fields breaks a rule or is
    /// no value of its type in the struct that the definition was made of.
    pub fn check(&self, form: &DataForm) -> Result<(), FormError> {
        self.rules(form)?;
        self.typed
            .map_or(Ok(()), |typed| typed(&self.complete(&form.fields)))
    }

    fn rules(&self, form: &DataForm) -> Result<(), FormError> {
        if form.type_ != DataFormType::Submit {
            return Err(FormError::new("is not filled in"));
        }
        match (&self.form_type, form.form_type()) {
            (Some(wanted), Some(found)) if wanted != found => {
                return Err(FormError::new(format!("is a {found}, and not a {wanted}")));
            }
            _ => {}
        }
        self.fields
            .iter()
            .try_for_each(|field| field.check(values_of(&form.fields, field)))
    }

    /// The fields of a filled form that this one asked for, those included that clients leave out
    /// when they are empty.
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

    /// The field with what this form says about it, but for what only matters to whoever fills it
    /// in.
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
