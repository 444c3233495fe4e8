//! Who reads what citizens write: the builtin, or a model of others that the settings name, as a node would ask it.

use std::time::Duration;

use tokio::time::Instant;

use govconnect::ai::builtin;
use govconnect::ai::providers::assistance::Assistance;
use govconnect::clock::Clock;
use govconnect::config::{self, Overrides};
use govconnect::dialogue::understanding::{UnderstandRequest, Understanding};
use govconnect::metrics::Metrics;

use crate::report::Goal;

/// A model's time for one batch: nothing here may end for lack of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of those who are judged.
pub enum Reader {
    Builtin,
    Model { name: String, assistance: Assistance },
}

impl Reader {
    /// The builtin, and the model of `GOVCONNECT_AI__PROVIDER` if there is one.
    pub fn all() -> anyhow::Result<Vec<Reader>> {
        // The environment alone: a developer's config.toml must not decide who is judged.
        let overrides = Overrides { search_working_directory: false, ..Overrides::from_process(None) };
        let config = config::load(&overrides)?.config;
        let model =
            Assistance::from_config(&config.ai, config.time_zone(), Clock::system(), Metrics::new()?)?;
        let name = config.ai.models.first().cloned().unwrap_or_default();
        let model = model.map(|assistance| Reader::Model { name, assistance });
        Ok(std::iter::once(Reader::Builtin).chain(model).collect())
    }

    /// What a batch is understood as; and whether it was this reader who did so, and not the builtin in its stead.
    pub async fn read(&self, texts: &[String]) -> (Understanding, bool) {
        let request = UnderstandRequest { texts: texts.to_vec(), ..UnderstandRequest::default() };
        let understanding = builtin::understand(&request);
        let Reader::Model { assistance, .. } = self else { return (understanding, true) };
        let mut turn = assistance.turn(&request, Instant::now() + PATIENCE);
        match turn.understand(&understanding).await {
            Some(understanding) => (understanding, true),
            None => (understanding, false),
        }
    }

    /// The name of a figure that it reaches.
    pub fn figure(&self, name: &str) -> String {
        match self {
            Reader::Builtin => name.to_owned(),
            Reader::Model { name: model, .. } => format!("{name} ({model})"),
        }
    }

    /// The goals are the builtin's.
    pub fn goal(&self, goal: Goal) -> Goal {
        match self {
            Reader::Builtin => goal,
            Reader::Model { .. } => Goal::None,
        }
    }
}
