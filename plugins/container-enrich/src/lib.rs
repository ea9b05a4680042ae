//! Annotates events with the container and pod of their process: `container.id`,
//! `container.runtime`, `k8s.pod.uid`, all read from the path of its cgroup.

mod cgroup;

pub use cgroup::Container;
use serin_plugin::{EventView, Kind, Outcome, Plugin, Subscription};

/// The plugin.
#[derive(Debug)]
pub struct ContainerEnrich {
    /// The last cgroup seen, by its id and the length of its path (which may not be known at first),
    /// and its container: events come in bursts.
    last: (u64, usize, Option<Container>),
}

/// Nothing to configure.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

impl Plugin for ContainerEnrich {
    type Config = Config;

    fn new(_: Self::Config) -> Result<Self, String> {
        Ok(Self { last: (0, 0, None) })
    }

    fn subscription(&self) -> Subscription {
        Subscription::kinds([Kind::ProcessExec, Kind::ProcessExit].into_iter().chain(Kind::HOOKS))
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        let Some(process) = event.process() else { return };
        let (id, path) = (process.cgroup_id(), process.cgroup());
        if id == 0 || (self.last.0, self.last.1) != (id, path.len()) {
            self.last = (id, path.len(), Container::of(path));
        }
        let Some(container) = &self.last.2 else { return };
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
