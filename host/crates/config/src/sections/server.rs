use std::{net::SocketAddr, time::Duration};

use super::section;
use crate::Bytes;

section! {
    /// The listener of API and UI.
    Server = "server" {
        /// Address and port to listen on. The default is reachable from this machine
        /// only; put a reverse proxy with TLS in front before you open it.
        listen: SocketAddr = "127.0.0.1:8080";
        /// Address and port on which a worker or a scheduler of a cluster tells its health
        /// (`/healthz`, `/readyz`). They listen on nothing where it is not set.
        health_listen: Option<SocketAddr> = "";
        /// The largest body of a request, except for uploads of SyncPacks.
        body_limit: Bytes = "2MiB";
        /// The largest SyncPack that can be uploaded.
        upload_limit: Bytes = "256MiB";
        /// How long a request may take until it is answered with 503. Longer than
        /// `limits.run_wait`, so that waiting for a run ends by itself.
        request_timeout: Duration = "60s";
        /// How long a stopping service goes on answering requests while `/readyz` already
        /// says that it leaves. Set it longer than your load balancer takes to notice, and
        /// a restart fails no request.
        drain_delay: Duration = "0s";
        /// How long a stopping service finishes requests and steps that are under way.
        /// What is not finished then is taken up again at the next start.
        drain_timeout: Duration = "30s";
    }
}
