//! The yardstick of `bench/run`: the least handler that poem can serve, behind the product's own accept loop and
//! without its middleware. Prints the address that it listens on.

use agentidp::http::{gate::Gate, server};
use poem::{EndpointExt, Route, get, handler};
use std::io::Write;
use std::sync::Arc;
use tokio::net::TcpListener;

#[handler]
fn hello() -> &'static str {
    "hello"
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    let endpoint = Route::new().at("/", get(hello)).map_to_response().boxed();
    server::serve(listener, None, endpoint, Arc::new(Gate::new(Vec::new())), std::future::pending()).await;
    Ok(())
}
