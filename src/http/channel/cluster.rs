//! The nodes of this installation and who owns what, for operators.

use actix_web::{HttpResponse, get, web};

use super::ChannelState;
use crate::cluster::status::ClusterStatus;
use crate::http::problem::Problem;

/// Nodes, partitions, their owners and epochs, and what waits in them.
#[utoipa::path(security(("internal_api_key" = [])), responses((status = 200, body = ClusterStatus)))]
#[get("/cluster")]
pub(super) async fn get_cluster(state: web::Data<ChannelState>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(ClusterStatus::read(&state.pool).await?))
}
