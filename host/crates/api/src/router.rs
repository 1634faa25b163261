//! Every route with its permission.

use std::time::Duration;

use axum::{
    Router, middleware,
    routing::{MethodRouter, get},
};
use utoipa::openapi::{OpenApi, RefOr, Schema, path::Paths};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::guard::{self, Access, Guard},
    edge,
    endpoint::{
        applications, asks, cache, configurations, dead_letters, limits, operators, overview, runs,
        schedules, service, session, steps, syncpacks, tasks, webhooks, workers,
    },
    openapi,
    permission::Permission::{Administrator, Configuration, Developer, Execute, View},
    state::{Shared, State},
};

/// The routes.
fn table(routes: Routes) -> Routes {
    work(documents(routes))
}

/// The service itself, and what people write.
#[rustfmt::skip]
fn documents(routes: Routes) -> Routes {
    routes
        .open(routes!(service::home::home))
        .open(routes!(service::health::health))
        .open(routes!(service::ready::ready))
        .open(routes!(service::document::document))
        .open(routes!(service::errors::all))
        .open(routes!(service::errors::one))

        .open(routes!(webhooks::receive::receive))

        .open(routes!(session::begin::begin))
        .open(routes!(session::get::get))
        .needs(View, routes!(session::end::end))

        .needs(View, routes!(service::about::about))
        .needs(View, routes!(overview::get::get))
        .needs(View, routes!(overview::volume::volume))
        .needs(View, routes!(service::metrics::metrics))

        .needs(View,          routes!(applications::list::list))
        .needs(Developer,     routes!(applications::save::save))
        .needs(View,          routes!(applications::get::get))
        .needs(Developer,     routes!(applications::put::put))
        .needs(Administrator, routes!(applications::delete::delete))
        .needs(View,          routes!(applications::revisions::revisions))
        .needs(View,          routes!(applications::revision::get))
        .needs(View,          routes!(applications::diff::diff))
        .needs(Developer,     routes!(applications::restore::restore))
        .needs(View,          routes!(applications::settings::settings))
        .needs(Configuration, routes!(applications::set::set))
        .needs(Developer,     routes!(applications::validate::validate))
        .needs(Execute,       routes!(applications::run::run))
        .needs(Execute,       routes!(applications::run_named::run_named))
        .needs(View,          routes!(applications::logs::logs))
        .needs(View,          routes!(applications::timeline::timeline))

        .needs(View,          routes!(configurations::list::list))
        .needs(Configuration, routes!(configurations::save::save))
        .needs(View,          routes!(configurations::get::get))
        .needs(Configuration, routes!(configurations::put::put))
        .needs(Administrator, routes!(configurations::delete::delete))
        .needs(View,          routes!(configurations::revisions::revisions))
        .needs(View,          routes!(configurations::revision::get))
        .needs(View,          routes!(configurations::diff::diff))
        .needs(Configuration, routes!(configurations::restore::restore))

        .needs(View,      routes!(schedules::list::list))
        .needs(View,      routes!(schedules::calendar::calendar))
        .needs(View,      routes!(schedules::get::get))
        .needs(Developer, routes!(schedules::put::put))
        .needs(Developer, routes!(schedules::delete::delete))
        .needs(View,      routes!(schedules::preview::preview))
        .needs(Execute,   routes!(schedules::pause::pause))
        .needs(Execute,   routes!(schedules::resume::resume))
        .needs(Execute,   routes!(schedules::backfill::backfill))
        .needs(View,      routes!(schedules::occurrences::occurrences))
        .needs(View,      routes!(schedules::predecessor::list))
        .needs(Developer, routes!(schedules::predecessor::save))
        .needs(Developer, routes!(schedules::predecessor::delete))

        .needs(Execute,   routes!(webhooks::list::list))
        .needs(Developer, routes!(webhooks::create::create))
        .needs(Execute,   routes!(webhooks::get::get))
        .needs(Developer, routes!(webhooks::put::put))
        .needs(Developer, routes!(webhooks::delete::delete))
        .needs(Developer, routes!(webhooks::rotate::rotate))
        .needs(Execute,   routes!(webhooks::deliveries::deliveries))
        .needs(Execute,   routes!(webhooks::redeliver::redeliver))

        .needs(Developer, routes!(operators::preview::preview))
        .needs(View,      routes!(operators::schema::schema))

        .needs(View,    routes!(steps::list::list))
        .needs(View,    routes!(steps::get::get))
        .needs(Execute, routes!(steps::run::run))

        .needs(View, routes!(syncpacks::list::list))
        .needs(View, routes!(syncpacks::get::get))
        .long(Developer,     routes!(syncpacks::upload::upload))
        .long(Administrator, routes!(syncpacks::install::install))
        .long(Administrator, routes!(syncpacks::activate::activate))
        .long(Administrator, routes!(syncpacks::deactivate::deactivate))
        .long(Administrator, routes!(syncpacks::delete::delete))
}

/// What runs, and who executes it.
#[rustfmt::skip]
fn work(routes: Routes) -> Routes {
    routes
        .needs(View,          routes!(runs::list::list))
        .needs(Administrator, routes!(runs::cancel::cancel))
        .needs(View,          routes!(runs::pauses::pauses))
        .needs(Administrator, routes!(runs::pause::pause))
        .needs(Administrator, routes!(runs::resume::resume))
        .needs(View,          routes!(runs::bulk::list::list))
        .needs(Administrator, routes!(runs::bulk::start::start))
        .needs(View,          routes!(runs::bulk::get::get))
        .needs(Administrator, routes!(runs::bulk::stop::stop))

        .needs(View,    routes!(dead_letters::list::list))
        .needs(View,    routes!(dead_letters::set_aside::set_aside))
        .needs(Execute, routes!(dead_letters::replay::replay))
        .needs(Execute, routes!(dead_letters::delete::delete))

        .needs(View,    routes!(tasks::get::get))
        .needs(View,    routes!(tasks::logs::logs))
        .needs(View,    routes!(tasks::data::data))
        .needs(View,    routes!(tasks::events::events))
        .needs(Execute, routes!(tasks::cancel::cancel))
        .needs(Execute, routes!(tasks::revoke::revoke))
        .needs(Execute, routes!(tasks::replay::replay))
        .needs(Execute, routes!(tasks::retry::retry))
        .needs(View,    routes!(asks::approvals::approvals))
        .needs(Execute, routes!(asks::decide::decide))
        .needs(Execute, routes!(asks::signal::signal))

        .needs(View,          routes!(cache::list::list))
        .needs(View,          routes!(cache::get::get))
        .needs(Administrator, routes!(cache::delete::delete))
        .needs(Administrator, routes!(cache::clear::clear))

        .needs(View, routes!(limits::list::list))
        .needs(View, routes!(limits::get::get))

        .needs(View,          routes!(workers::list::list))
        .needs(View,          routes!(workers::get::get))
        .needs(Administrator, routes!(workers::set::set))
}

/// What [`utoipa_axum::routes`] makes of handlers.
type Handlers = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<Shared>);

/// Routes under construction. There is no way to add one without saying who may call
/// it. `None` for the state makes the document only.
struct Routes {
    api: Option<Shared>,
    router: OpenApiRouter<Shared>,
}

impl Routes {
    fn new(api: Option<Shared>) -> Self {
        Self {
            api,
            router: OpenApiRouter::with_openapi(openapi::frame()),
        }
    }

    /// A route for everybody.
    fn open(self, handlers: Handlers) -> Self {
        let timeout = self.timeout(|limits| limits.timeout);
        self.add(Access::Public, timeout, handlers)
    }

    /// A route for callers with the permission.
    fn needs(self, permission: crate::Permission, handlers: Handlers) -> Self {
        let timeout = self.timeout(|limits| limits.timeout);
        self.add(Access::Needs(permission), timeout, handlers)
    }

    /// The same for one that may take long.
    fn long(self, permission: crate::Permission, handlers: Handlers) -> Self {
        let timeout = self.timeout(|limits| limits.pack_timeout);
        self.add(Access::Needs(permission), timeout, handlers)
    }

    fn timeout(&self, of: impl Fn(&crate::Limits) -> Duration) -> Duration {
        self.api
            .as_ref()
            .map(|api| of(&api.limits))
            .unwrap_or_default()
    }

    fn add(mut self, access: Access, timeout: Duration, handlers: Handlers) -> Self {
        let (schemas, mut paths, mut methods) = handlers;
        for item in paths.paths.values_mut() {
            let all = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
                &mut item.patch,
            ];
            for operation in all.into_iter().flatten() {
                openapi::stamp(operation, access);
            }
        }
        if let Some(api) = &self.api {
            let guard = Guard {
                api: api.clone(),
                access,
                timeout,
            };
            methods = methods.route_layer(middleware::from_fn_with_state(guard, guard::check));
        }
        self.router = self.router.routes((schemas, paths, methods));
        self
    }
}

/// The whole API as a router. Nothing of it is reachable without a permission but what
/// the table above calls open, and the page that shows the OpenAPI document.
pub fn router(state: State) -> Router {
    let api = Shared::new(state);
    let (routes, _) = table(Routes::new(Some(api.clone())))
        .router
        .split_for_parts();
    routes
        .merge(service::reference::routes())
        .merge(service::pages::routes())
        .fallback(service::pages::page)
        .method_not_allowed_fallback(edge::no_method)
        .layer(middleware::from_fn_with_state(api.clone(), edge::pass))
        .with_state(api)
}

/// What a process tells that does not serve the API: its health.
pub fn health_router(state: State) -> Router {
    let api = Shared::new(state);
    Router::new()
        .route("/healthz", get(service::health::health))
        .route("/readyz", get(service::ready::ready))
        .route("/metrics", get(service::metrics::metrics))
        .fallback(edge::only_health)
        .method_not_allowed_fallback(edge::no_method)
        .layer(middleware::from_fn_with_state(api.clone(), edge::pass))
        .with_state(api)
}

/// The OpenAPI document of the table.
pub(crate) fn document() -> OpenApi {
    table(Routes::new(None)).router.split_for_parts().1
}
