//! UUIDs as PostgreSQL takes and gives them.
//!
//! sqlx's own support is a feature that makes Cargo resolve sqlx's SQLite as well, a
//! second SQLite beside the embedded backend's (see decision 0003).

use model::id::RunRef;
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{
        PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, types::Oid,
    },
};
use uuid::Uuid;

/// A run's name outside, as a column.
#[derive(Clone, Copy)]
pub(crate) struct Name(pub(crate) RunRef);

impl Type<Postgres> for Name {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2950))
    }
}

impl PgHasArrayType for Name {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2951))
    }
}

impl Encode<'_, Postgres> for Name {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.uuid().as_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Name {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let uuid = match value.format() {
            PgValueFormat::Binary => Uuid::from_slice(value.as_bytes()?)?,
            PgValueFormat::Text => value.as_str()?.parse()?,
        };
        Ok(Self(RunRef::from_uuid(uuid)))
    }
}
