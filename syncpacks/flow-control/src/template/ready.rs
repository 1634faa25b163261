//! Templates that are compiled once.
//!
//! The host lets an instance of this SyncPack execute many steps, one after the other. What is kept
//! from one to the next is the environment, which nothing that a template does can change, and
//! templates by their text; never data.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use minijinja::{Environment, Error, Expression, Template};

use super::{NAME, environment, literals};

/// How much is kept: so many bytes of text. What comes later is compiled each time; the host
/// begins with a new instance now and then.
const KEPT: usize = 256 << 10;

/// Compiled, by their texts.
struct Ready<T> {
    by_text: RefCell<(usize, BTreeMap<&'static str, Rc<T>>)>,
}

impl<T> Ready<T> {
    fn new() -> Self {
        Self {
            by_text: RefCell::default(),
        }
    }

    fn get(&self, text: &str) -> Option<Rc<T>> {
        self.by_text.borrow().1.get(text).cloned()
    }

    /// Whether one more text fits.
    fn has_room_for(&self, text: &str) -> bool {
        self.by_text.borrow().0 + text.len() <= KEPT
    }

    fn keep(&self, text: &'static str, compiled: T) -> Rc<T> {
        let compiled = Rc::new(compiled);
        let mut kept = self.by_text.borrow_mut();
        kept.0 += text.len();
        kept.1.insert(text, compiled.clone());
        compiled
    }
}

thread_local! {
    /// Lives as long as the instance: so do the texts that are compiled with it, which are few.
    static ENVIRONMENT: &'static Environment<'static> = Box::leak(Box::new(environment()));
    static TEMPLATES: Ready<Template<'static, 'static>> = Ready::new();
    static EXPRESSIONS: Ready<Expression<'static, 'static>> = Ready::new();
}

/// Does something with a template.
pub(super) fn template<R>(
    text: &str,
    run: impl FnOnce(Result<&Template<'_, '_>, Error>) -> R,
) -> R {
    TEMPLATES.with(|kept| {
        if let Some(ready) = kept.get(text) {
            return run(Ok(&ready));
        }
        let environment = ENVIRONMENT.with(|environment| *environment);
        let mutable = literals::mutable(text, false);
        // Only what can be compiled is kept, and only what is kept lives on.
        match environment.template_from_named_str(NAME, &mutable) {
            Ok(_) if kept.has_room_for(text) => {}
            Ok(ready) => return run(Ok(&ready)),
            Err(error) => return run(Err(error)),
        }
        match environment.template_from_named_str(NAME, mutable.into_owned().leak()) {
            Ok(ready) => run(Ok(&kept.keep(text.to_owned().leak(), ready))),
            Err(error) => run(Err(error)),
        }
    })
}

/// Does something with an expression.
pub(super) fn expression<R>(
    text: &str,
    run: impl FnOnce(Result<&Expression<'_, '_>, Error>) -> R,
) -> R {
    EXPRESSIONS.with(|kept| {
        if let Some(ready) = kept.get(text) {
            return run(Ok(&ready));
        }
        let environment = ENVIRONMENT.with(|environment| *environment);
        let mutable = literals::mutable(text, true);
        match environment.compile_expression(&mutable) {
            Ok(_) if kept.has_room_for(text) => {}
            Ok(ready) => return run(Ok(&ready)),
            Err(error) => return run(Err(error)),
        }
        match environment.compile_expression(mutable.into_owned().leak()) {
            Ok(ready) => run(Ok(&kept.keep(text.to_owned().leak(), ready))),
            Err(error) => run(Err(error)),
        }
    })
}
