//! The answer of an operation: fresh, or the first one again under an `Idempotency-Key`.

use super::auth::{Authorized, body_bytes};
use super::body::parse_json;
use super::error::{Code, Failure};
use super::operations::Operation;
use super::state::AppState;
use agentidp_core::domain::idempotency::{IdempotencyKey, IdempotencyRecord, Once, StoredResponse};
use agentidp_core::services::access::Authorized as Decided;
use poem::http::header::{CONTENT_TYPE, LOCATION};
use poem::http::{HeaderValue, StatusCode};
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};
use serde_json::Value;
use std::marker::PhantomData;

const JSON: &str = "application/json";
const KEY_HEADER: &str = "Idempotency-Key";
const REPLAYED_HEADER: &str = "Idempotency-Replayed";

/// An answer of status `STATUS` with a body of type `T`.
pub struct Answer<const STATUS: u16, T> {
    response: StoredResponse,
    replayed: bool,
    body: PhantomData<T>,
}

/// The body of an answer that has none.
#[derive(Debug)]
pub struct Empty;

impl<const STATUS: u16, T: ToJSON> Answer<STATUS, T> {
    /// A fresh answer.
    pub fn new(body: &T) -> Self {
        Self::fresh(stored::<STATUS, T>(body, None))
    }

    /// A fresh answer that was presented already.
    pub fn fresh(response: StoredResponse) -> Self {
        Self { response, replayed: false, body: PhantomData }
    }
}

impl Answer<204, Empty> {
    /// Done, with nothing to say.
    pub fn done() -> Self {
        Self { response: nothing(), replayed: false, body: PhantomData }
    }
}

/// An answer as it is kept: `location` is its `Location` header.
pub fn stored<const STATUS: u16, T: ToJSON>(body: &T, location: Option<String>) -> StoredResponse {
    StoredResponse { status: STATUS, location, body: body.to_json_string() }
}

/// The answer 204 as it is kept.
pub fn nothing() -> StoredResponse {
    StoredResponse { status: 204, location: None, body: String::new() }
}

impl<const STATUS: u16, T: Send> IntoResponse for Answer<STATUS, T> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::builder().status(status).finish();
        if !self.response.body.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            response.set_body(self.response.body);
        }
        if let Some(location) = self.response.location.and_then(|text| HeaderValue::from_str(&text).ok()) {
            response.headers_mut().insert(LOCATION, location);
        }
        if self.replayed {
            response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
        }
        response
    }
}

impl<const STATUS: u16, T: Type + ToJSON + Send> ApiResponse for Answer<STATUS, T> {
    fn meta() -> MetaResponses {
        meta(STATUS, vec![MetaMediaType { content_type: JSON, schema: T::schema_ref() }])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl ApiResponse for Answer<204, Empty> {
    fn meta() -> MetaResponses {
        meta(204, Vec::new())
    }

    fn register(_: &mut Registry) {}
}

fn meta(status: u16, content: Vec<MetaMediaType>) -> MetaResponses {
    let description = match status {
        200 => "Done.",
        201 => "Created.",
        _ => "Done, nothing to say.",
    };
    MetaResponses {
        responses: vec![MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: vec![],
        }],
    }
}

/// The `Idempotency-Key` of a request and what the key stands for.
pub struct Idempotency {
    key: Option<IdempotencyKey>,
    fingerprint: String,
}

impl<'a> FromRequest<'a> for Idempotency {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let mut headers = request.headers().get_all(KEY_HEADER).iter();
        let key = match (headers.next(), headers.next()) {
            (None, _) => None,
            (Some(_), Some(_)) => return Err(Failure::invalid(KEY_HEADER, "must be given once").into()),
            (Some(value), None) => {
                let key = value.to_str().unwrap_or_default().parse();
                Some(key.map_err(|error: agentidp_core::domain::text::Invalid| Failure::invalid(KEY_HEADER, error.0))?)
            }
        };
        Ok(Self { key, fingerprint: fingerprint(request) })
    }
}

/// SHA-256 over operation, path and body, each after its length.
fn fingerprint(request: &Request) -> String {
    let operation = Operation::of(request).map(|operation| operation.id).unwrap_or_default();
    let body = body_bytes(request);
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in [operation.as_bytes(), request.uri().path().as_bytes(), body.as_ref()] {
        hash.update(&part.len().to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finish())
}

impl Idempotency {
    /// The wish to make a change of `T` once, if the caller gave a key.
    pub fn once<'a, T: ?Sized>(
        &self,
        by: &Decided,
        present: &'a (dyn Fn(&T) -> StoredResponse + Send + Sync),
    ) -> Option<Once<'a, T>> {
        let key = self.key.clone()?;
        Some(Once { caller: by.caller.agent.id, key, fingerprint: self.fingerprint.clone(), present })
    }

    /// The first answer to this request under the caller's key, if there was one. Asked before the body is judged: what
    /// was good once (a time that was in the future) is answered as it was then.
    ///
    /// # Errors
    /// The database is away.
    pub async fn replay<const STATUS: u16, T>(
        &self,
        state: &AppState,
        by: &Authorized,
    ) -> Result<Option<Answer<STATUS, T>>, Failure> {
        let found = self.find(state, by).await?.filter(|record| record.fingerprint == self.fingerprint);
        Ok(found.map(|record| Answer { response: record.response, replayed: true, body: PhantomData }))
    }

    /// Refuses a key that stands for another request. Asked once the body is known to be good.
    ///
    /// # Errors
    /// It does, or the database is away.
    pub async fn must_be_free(&self, state: &AppState, by: &Authorized) -> Result<(), Failure> {
        match self.find(state, by).await? {
            Some(record) if record.fingerprint != self.fingerprint => {
                Err(Failure::new(Code::IdempotencyConflict, "this `Idempotency-Key` was used for another request"))
            }
            _ => Ok(()),
        }
    }

    async fn find(&self, state: &AppState, by: &Authorized) -> Result<Option<IdempotencyRecord>, Failure> {
        let Some(key) = &self.key else { return Ok(None) };
        let now = state.ambient.clock.now();
        state.idempotency.find(by.0.caller.agent.id, key, now).await.map_err(Failure::unavailable)
    }

    /// Ends a change that failed: its twin may have been the first, then that one's answer is the answer.
    ///
    /// # Errors
    /// The failure itself, if there is no first answer.
    pub async fn settle<const STATUS: u16, T>(
        &self,
        state: &AppState,
        by: &Authorized,
        failure: Failure,
    ) -> Result<Answer<STATUS, T>, Failure> {
        match self.replay(state, by).await? {
            Some(first) => Ok(first),
            None => self.must_be_free(state, by).await.and(Err(failure)),
        }
    }
}

/// The body of a request as JSON; nothing at all is an empty object. `T` is what the document says of it: fields are
/// read by the functions of `dto`, which collect every mistake.
pub struct JsonBody<T> {
    pub value: Value,
    described_by: PhantomData<T>,
}

impl<'a, T: Type> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: JSON, schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let bytes = body_bytes(request);
        let value = if bytes.is_empty() {
            Value::Object(serde_json::Map::new())
        } else {
            parse_json(&bytes).map_err(|reason| Failure::invalid("body", reason))?
        };
        Ok(Self { value, described_by: PhantomData })
    }
}
