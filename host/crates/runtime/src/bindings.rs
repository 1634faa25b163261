//! The generated half of the contract in `wit/`.
//!
//! Only PowerFlow's own interfaces are generated here: those of WASI that the world imports are
//! linked from wasmtime's crates.

wasmtime::component::bindgen!({
    path: "../../../wit",
    inline: "
        package powerflow:host;
        world guest {
            use powerflow:syncpack/types@1.0.0.{json, invocation, outcome, error};
            import powerflow:syncpack/log@1.0.0;
            import powerflow:syncpack/cache@1.0.0;
            export describe: func() -> json;
            export execute: func(step: string, invocation: invocation) -> result<outcome, error>;
        }
    ",
    world: "powerflow:host/guest",
    imports: {
        "powerflow:syncpack/log@1.0.0": trappable,
        "powerflow:syncpack/cache@1.0.0": async | trappable,
    },
    exports: { default: async },
});
