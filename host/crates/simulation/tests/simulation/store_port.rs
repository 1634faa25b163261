//! The store at the other end of a process's link.

use async_trait::async_trait;

use crate::{
    memory::{Memory, Result, for_every_call},
    net::Link,
};

/// The store as a process sees it.
pub(crate) struct StorePort {
    pub(crate) link: Arc<Link>,
    pub(crate) store: Arc<Memory>,
}

macro_rules! over_the_network {
    ($trait:path: $($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $trait for StorePort {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                let effect = <Memory as $trait>::$name(&self.store, $($argument),*);
                self.link.carry(stringify!($name), effect).await?
            })*
        }
    };
}

for_every_call!(over_the_network);

impl store::Store for StorePort {
    fn description(&self) -> String {
        "memory".to_owned()
    }
}
