//! The audit log.

use super::answer::Answer;
use super::auth::Authorized;
use super::dto::audit::{AuditEvent, AuditEventPage, audit_filter};
use super::dto::fields::Fields;
use super::error::{Code, Failure};
use super::state::AppState;
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use std::sync::Arc;

/// Handlers of the audit log.
pub struct AuditApi;

type State<'a> = Data<&'a Arc<AppState>>;

#[OpenApi]
impl AuditApi {
    /// Query the audit log
    #[oai(path = "/audit", method = "get", operation_id = "queryAuditLog")]
    async fn query(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        request: &Request,
    ) -> Result<Answer<200, AuditEventPage>, Failure> {
        let (filter, page) = audit_filter(Fields::of_query(request))?;
        let page = state.audit.query(&auth.0.decision.owners, &filter, page).await.map_err(Failure::unavailable)?;
        Ok(Answer::new(&AuditEventPage::from(page)))
    }

    /// Read an event
    #[oai(path = "/audit/:eventId", method = "get", operation_id = "getAuditEvent")]
    async fn get(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        #[oai(name = "eventId")] event_id: Path<String>,
    ) -> Result<Answer<200, AuditEvent>, Failure> {
        let event = match event_id.0.parse() {
            Ok(id) => state.audit.find(id, &auth.0.decision.owners).await.map_err(Failure::unavailable)?,
            Err(_) => None,
        };
        match event {
            Some(event) => Ok(Answer::new(&AuditEvent::from(&event))),
            None => {
                state.access.record_not_found(&auth.0, &event_id.0).await.map_err(Failure::unavailable)?;
                Err(Failure::new(Code::AuditEventNotFound, "there is no such event"))
            }
        }
    }
}
