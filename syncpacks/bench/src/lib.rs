//! Steps that do as little as a step can: the benchmarks measure the service
//! with them, not the work of a step.

use powerflow_sdk::prelude::*;

/// Returns its input unchanged: the data of the connected step or, where none is
/// connected, the parameter `input`.
#[derive(Step)]
#[step(name = "Noop", friendly_name = "Nothing")]
pub struct Noop {
    /// Returned when no step is connected.
    #[param(default = Value::Null)]
    input: Value,
}

impl Execute for Noop {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        if cx.connected()?.is_empty() {
            return Output::json(&self.input);
        }
        Ok(cx.only_raw()?.into())
    }
}

/// Adds one field to its input, an object: the data of the connected step or, where
/// none is connected, the parameter `input`.
#[derive(Step)]
#[step(friendly_name = "Add a Field")]
pub struct AddField {
    /// The object, when no step is connected.
    #[param(kind = "object", default = json!({}), sample = json!({ "event": 1 }))]
    input: Value,
    /// The name of the new field.
    #[param(default = "field")]
    field: String,
    /// The value of the new field.
    #[param(default = json!("value"))]
    value: Value,
}

impl Execute for AddField {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let mut input = if cx.connected()?.is_empty() {
            self.input.clone()
        } else {
            cx.only_input::<Value>()?
        };
        let Some(object) = input.as_object_mut() else {
            return Err(Error::permanent(format!(
                "the input is no object, so it takes no field \"{}\"",
                self.field
            )));
        };
        object.insert(self.field.clone(), self.value.clone());
        Ok(Output::new(input))
    }
}

/// Waits, as a step does for an answer, and returns nothing.
#[derive(Step)]
#[step(friendly_name = "Wait")]
pub struct Wait {
    /// For how long, in milliseconds.
    #[param(default = 20)]
    milliseconds: u64,
}

impl Execute for Wait {
    fn execute(&self, _cx: &mut Context) -> Result<Output> {
        std::thread::sleep(std::time::Duration::from_millis(self.milliseconds));
        Ok(Output::new(Value::Null))
    }
}

powerflow_sdk::syncpack!(Noop, AddField, Wait);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use powerflow_sdk::testing::MockHost;

    #[test]
    fn noop_returns_its_input_byte_for_byte() {
        let host = MockHost::new().parameter("input", json!({ "b": 1, "a": [1.5, "ü"] }));
        assert_eq!(
            host.run::<Noop>().unwrap().data().unwrap(),
            json!({ "b": 1, "a": [1.5, "ü"] })
        );
        assert_eq!(
            host.data("before", "x")
                .run::<Noop>()
                .unwrap()
                .data()
                .unwrap(),
            json!("x")
        );
        assert_eq!(
            MockHost::new().run::<Noop>().unwrap().data().unwrap(),
            Value::Null
        );
    }

    #[test]
    fn wait_waits() {
        let host = MockHost::new().parameter("milliseconds", 2);
        let began = std::time::Instant::now();
        assert_eq!(host.run::<Wait>().unwrap().data().unwrap(), Value::Null);
        assert!(began.elapsed() >= std::time::Duration::from_millis(2));
    }

    #[test]
    fn add_field_adds_to_parameter_or_data() {
        let host = MockHost::new()
            .parameter("input", json!({ "a": 1 }))
            .parameter("field", "b")
            .parameter("value", 2);
        assert_eq!(
            host.run::<AddField>().unwrap().data().unwrap(),
            json!({ "a": 1, "b": 2 })
        );
        let host = host.data("before", json!({ "c": 3 }));
        assert_eq!(
            host.run::<AddField>().unwrap().data().unwrap(),
            json!({ "c": 3, "b": 2 })
        );
        assert!(
            host.data("before", 1)
                .run::<AddField>()
                .unwrap_err()
                .message()
                .contains("no object")
        );
    }
}
