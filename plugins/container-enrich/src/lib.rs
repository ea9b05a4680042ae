//! Annotates events with the container and pod of their process: `container.id`,
//! `container.runtime`, `k8s.pod.uid`, all read from the path of its cgroup.

mod cgroup;

pub use cgroup::Container;
use serin_plugin::{EventView, Kind, Outcome, Plugin, Subscription};

/// The plugin.
#[derive(Debug)]
pub struct ContainerEnrich {
    /// The last cgroup seen and its container: events come in bursts.
    last: (String, Option<Container>),
}

/// Nothing to configure.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

impl Plugin for ContainerEnrich {
    type Config = Config;

    fn new(_: Self::Config) -> Result<Self, String> {
        Ok(Self { last: (String::new(), None) })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::ProcessExec, Kind::ProcessExit, Kind::ProcessKprobe])
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        let path = process.cgroup();
        if self.last.0 != path {
            self.last = (path.to_owned(), Container::of(path));
        }
        let Some(container) = &self.last.1 else { return };
        outcome.annotate("container.id", &container.id);
        if let Some(runtime) = container.runtime {
            outcome.annotate("container.runtime", runtime);
        }
        if let Some(pod) = &container.pod {
            outcome.annotate("k8s.pod.uid", pod);
        }
    }
}

serin_plugin::export!(ContainerEnrich);
