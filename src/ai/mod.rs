//! The AI service: understands what citizens write and finds what the office's documents say. It invents nothing:
//! slots are the citizen's words, passages are quotes. Facts about complaints come from the case service only.
//!
//! - [`builtin`]: understanding by rules, no network, the default without a key
//! - [`providers`]: models of others, where the office has set one · [`masking`]: what they must not see
//! - [`grounding`]: what a model said counts only as far as the citizen or a document said it
//! - [`documents`]: files are queued and read · [`chunking`]: documents become passages
//! - [`embedding`]: passages get vectors of a model · [`retrieval`]: a question finds the passages that fit
//! - [`excerpt`]: the part of a passage that answers and fits a reply
//! - [`analytics`]: counts what events tell, a day
//! - [`service`]: both together, under a deadline; what the actor and the HTTP handlers call

pub mod analytics;
pub mod builtin;
pub mod chunking;
pub mod documents;
pub mod embedding;
pub mod excerpt;
pub mod grounding;
pub mod masking;
pub mod providers;
pub mod retrieval;
pub mod service;
