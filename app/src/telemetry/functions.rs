//! Calls of functions: those under `#[autometrics]`, counted and timed by autometrics for the whole process.

use autometrics::settings::AutometricsSettings;
use prometheus_client::registry::Registry;
use std::sync::LazyLock;

/// Seconds: from the time of a signature to that of a slow database.
const BUCKETS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// The settings are set once; autometrics would read what is missing here from the environment.
static SETTINGS: LazyLock<Option<&'static AutometricsSettings>> = LazyLock::new(|| {
    let settings = AutometricsSettings::builder().service_name("agentidp").repo_url("").repo_provider("");
    let set = settings.histogram_buckets(BUCKETS).try_init();
    set.inspect_err(|error| tracing::error!(cause = %error, "calls of functions are not in the metrics")).ok()
});

/// What the calls of functions are counted in. To be asked before the first of them, or there is none.
pub fn registry() -> Option<&'static Registry> {
    SETTINGS.map(AutometricsSettings::prometheus_client_registry)
}
