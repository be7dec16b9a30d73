//! The process as Linux sees it, under the names that the client libraries of Prometheus share. Elsewhere, or without
//! `/proc`, these metrics are absent.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fs::{read_dir, read_to_string};

/// The unit of times in `/proc` (`USER_HZ`), the same on every architecture that is still built for.
const TICKS_PER_SECOND: f64 = 100.0;
/// Places in `/proc/self/stat` after the name of the program, which may hold anything (proc(5)).
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;

/// Reads `/proc` at each scrape.
#[derive(Debug)]
pub struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            let help = "Processor time of the process, in user and system mode.";
            let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        let gauges = [
            ("process_resident_memory_bytes", "Memory of the process that is in RAM.", resident_bytes()),
            ("process_open_fds", "Open file descriptors.", open_fds()),
            ("process_max_fds", "Most file descriptors that may be open.", max_fds()),
            ("process_start_time_seconds", "When the process started, since 1970.", start_time()),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }
}

/// A number of `/proc/self/stat`.
fn stat(place: usize) -> Option<f64> {
    let text = read_to_string("/proc/self/stat").ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(place)?.parse().ok()
}

/// The first number behind `label` in a file.
fn labelled(path: &str, label: &str) -> Option<f64> {
    let text = read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(label))?.split_whitespace().next()?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(USER_TICKS)? + stat(SYSTEM_TICKS)?) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<f64> {
    Some(labelled("/proc/self/status", "VmRSS:")? * 1024.0)
}

/// Without the one that counting takes.
fn open_fds() -> Option<f64> {
    let open = u32::try_from(read_dir("/proc/self/fd").ok()?.count()).ok()?;
    Some(open.saturating_sub(1).into())
}

fn max_fds() -> Option<f64> {
    labelled("/proc/self/limits", "Max open files")
}

fn start_time() -> Option<f64> {
    Some(labelled("/proc/stat", "btime")? + stat(START_TICKS)? / TICKS_PER_SECOND)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_this_process() {
        let before = open_fds().unwrap();
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        assert!(open_fds().unwrap() >= before + 25.0, "other tests may close some");
        drop(files);
        assert!(max_fds().unwrap() >= before);
        let bytes = resident_bytes().unwrap();
        assert!((1e6..1e11).contains(&bytes), "{bytes}");
        let age = crate::wiring::system_time().unix_millis() as f64 / 1_000.0 - start_time().unwrap();
        assert!((-2.0..86_400.0).contains(&age), "{age}");
        let start = cpu_seconds().unwrap();
        while cpu_seconds().unwrap() <= start {
            std::hint::black_box(0);
        }
    }
}
