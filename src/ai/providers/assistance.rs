//! A turn with a model's help: what the model says of the texts, grounded, over what the builtin read; and which sentences
//! of the passages found answer. Whatever goes wrong, what the builtin has stands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::calling::{Caller, Limits, Priced};
use super::{NotBuilt, prompt};
use crate::ai::builtin;
use crate::ai::grounding;
use crate::ai::masking::Masker;
use crate::clock::Clock;
use crate::config;
use crate::dialogue::understanding::{Passage, UnderstandRequest, Understanding, Usage};
use crate::metrics::Metrics;
use crate::store::ai::FoundPassage;

/// The help of the model that is set. Cheap to clone.
#[derive(Clone)]
pub struct Assistance {
    caller: Arc<Caller>,
}

impl fmt::Debug for Assistance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Assistance").finish_non_exhaustive()
    }
}

impl Assistance {
    /// The help of a caller's models.
    pub fn new(caller: Caller) -> Self {
        Assistance { caller: Arc::new(caller) }
    }

    /// The help that the settings ask for; none for the builtin alone.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn from_config(
        config: &config::Ai,
        zone: TimeZone,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Option<Self>, NotBuilt> {
        let Some(model) = super::model(config)? else { return Ok(None) };
        let price = |prices: &[config::Price], place: usize| prices.get(place).map_or(0.0, |price| price.0);
        let models = config.models.iter().enumerate().map(|(place, name)| Priced {
            name: name.trim().to_owned(),
            input_price: price(&config.input_prices, place),
            output_price: price(&config.output_prices, place),
        });
        let limits = Limits {
            models: models.collect(),
            call_timeout: Duration::from_millis(config.call_timeout_ms),
            calls: config.calls,
            circuit_failures: config.circuit_failures,
            circuit_pause: Duration::from_millis(config.circuit_pause_ms),
            daily_budget: config.daily_budget,
            zone,
        };
        Ok(Some(Assistance::new(Caller::new(model, limits, clock, metrics))))
    }

    /// Help with one batch, until `deadline`.
    pub fn turn<'a>(&'a self, request: &'a UnderstandRequest, deadline: Instant) -> Turn<'a> {
        let mut masker = Masker::new(request.names.iter().map(String::as_str));
        // A name told in one message is kept from the provider in all of them.
        let before = request.context.iter().map(|line| &line.text);
        request.texts.iter().chain(before).for_each(|text| masker.learn(text));
        Turn { caller: &self.caller, request, masker, deadline, usage: Usage::default() }
    }
}

/// One batch that is being helped with.
pub struct Turn<'a> {
    caller: &'a Caller,
    request: &'a UnderstandRequest,
    masker: Masker,
    deadline: Instant,
    usage: Usage,
}

impl Turn<'_> {
    /// What the model makes of the batch, as far as the texts bear it out; `None` leaves it to the builtin.
    pub async fn understand(&mut self, builtin: &Understanding) -> Option<Understanding> {
        let texts = builtin::readable(&self.request.texts);
        let asked = prompt::understanding(self.request, &texts, &mut self.masker);
        let (request, masker) = (self.request, &self.masker);
        let read = |answer: &_| grounding::understood(answer, request, builtin, |text| masker.restore(text));
        let asked = self.caller.ask(&asked, self.deadline, read).await;
        self.usage.add(asked.usage);
        asked.answer
    }

    /// The passages made of the sentences that answer; empty when the model says that none does, `None` when it says
    /// nothing that can be used.
    pub async fn point(&mut self, found: &[FoundPassage]) -> Option<Vec<Passage>> {
        let candidates = grounding::candidates(found);
        if candidates.is_empty() {
            return None;
        }
        let texts = builtin::readable(&self.request.texts);
        let asked = prompt::pointing(&texts, &candidates, &mut self.masker);
        let read = |answer: &_| grounding::pointed(answer, &candidates, found);
        let asked = self.caller.ask(&asked, self.deadline, read).await;
        self.usage.add(asked.usage);
        asked.answer
    }

    /// Who served, and what it took.
    pub fn usage(self) -> Usage {
        self.usage
    }
}
