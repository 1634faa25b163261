//! How a section is written down: once, with everything that is known of it.

use crate::{Kind, Value, load::Loader};

/// A section of the settings.
pub(crate) trait Section: Sized {
    /// What it is and holds.
    fn describe() -> Description;
    /// Its values; `None` when one of them has a problem, which the loader holds.
    fn load(loader: &mut Loader<'_>) -> Option<Self>;
}

/// A section, for the reference.
#[derive(Clone, Debug)]
pub struct Description {
    /// The table in the settings file.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: String,
    /// Its settings in order.
    pub fields: Vec<Field>,
}

/// A setting, for the reference.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key in the settings file.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: String,
    /// What it looks like.
    pub kind: Kind,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether it holds a secret.
    pub secret: bool,
    /// Its default as it would stand in the settings file; `None` when it is absent.
    pub default: Option<String>,
    /// Its variable.
    pub variable: String,
    /// Another variable that is customary for it.
    pub alias: Option<&'static str>,
}

impl Field {
    pub(crate) fn new<T: Value>(
        section: &str,
        name: &'static str,
        doc: &str,
        default: &str,
        alias: Option<&'static str>,
    ) -> Self {
        let absent = T::OPTIONAL && default.is_empty();
        let shown = T::parse(default).map_or_else(|_| default.to_owned(), |value| value.show());
        Self {
            name,
            doc: unwrapped(doc),
            kind: T::KIND,
            optional: T::OPTIONAL,
            secret: T::SECRET,
            default: (!absent).then_some(shown),
            variable: variable(section, name),
            alias,
        }
    }
}

/// The variable of a setting.
pub(crate) fn variable(section: &str, field: &str) -> String {
    format!("POWERFLOW_{section}_{field}").to_uppercase()
}

/// A doc comment without the space that begins its lines, each paragraph on one line.
pub(crate) fn unwrapped(doc: &str) -> String {
    let lines: Vec<&str> = doc.lines().map(str::trim).collect();
    let paragraphs: Vec<String> = lines
        .split(|line| line.is_empty())
        .filter(|paragraph| !paragraph.is_empty())
        .map(|paragraph| paragraph.join(" "))
        .collect();
    paragraphs.join("\n\n")
}

/// Declares a section: doc comment, type, name; for each field doc comment, type,
/// default as text (empty: absent), and a customary variable where there is one.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        $type:ident = $name:literal {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident: $field_type:ty = $default:literal $(or $alias:literal)?;
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub struct $type {
            $($(#[doc = $field_doc])* pub $field: $field_type,)*
        }

        impl $crate::section::Section for $type {
            fn describe() -> $crate::Description {
                $crate::Description {
                    name: $name,
                    doc: $crate::section::unwrapped(concat!($($doc, "\n"),*)),
                    fields: vec![$($crate::Field::new::<$field_type>(
                        $name,
                        stringify!($field),
                        concat!($($field_doc, "\n"),*),
                        $default,
                        None$(.or(Some($alias)))?,
                    )),*],
                }
            }

            fn load(loader: &mut $crate::load::Loader<'_>) -> Option<Self> {
                $(let $field = loader.value::<$field_type>(
                    $name,
                    stringify!($field),
                    $default,
                    None$(.or(Some($alias)))?,
                );)*
                Some(Self { $($field: $field?),* })
            }
        }
    };
}
pub(crate) use section;
