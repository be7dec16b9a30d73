//! What every request asks, asked together: questions that come while one statement is under way share the next. Each
//! is answered from a statement that began after it was asked.

use super::batches::{Batches, Job};
use super::entities::{agents, credentials, token_revocations};
use super::error::{BatchError, Failure, batch_within};
use super::{credentials as credential_rows, rows};
use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::token::Standing;
use agentidp_core::ports::storage::StoreError;
use sea_orm::sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, FromQueryResult, QueryFilter, QueryResult, Select,
};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Most rows that a statement is filled up to: SQLite takes 32,766 values, four of them a row. A full batch of the longest
/// tokens has fewer.
const MOST_ROWS: usize = 8_191;

/// A question after a [`Standing`].
pub struct Question {
    pub agent: AgentId,
    pub credential: CredentialId,
    pub token_ids: Vec<String>,
}

/// The queues of the questions.
#[derive(Debug, Clone)]
pub struct Reads {
    pub standings: Batches<Question, Option<Standing>>,
    pub agents: Batches<AgentId, Option<Agent>>,
}

impl Reads {
    /// Starts the readers of `database`. A statement may take `deadline`.
    pub fn start(database: &DatabaseConnection, deadline: Duration) -> Self {
        let (first, second) = (database.clone(), database.clone());
        Self {
            standings: Batches::start(move |jobs| read_standings(first.clone(), deadline, jobs)),
            agents: Batches::start(move |jobs| read_agents(second.clone(), deadline, jobs)),
        }
    }
}

async fn read_standings(database: DatabaseConnection, deadline: Duration, jobs: Vec<Job<Question, Option<Standing>>>) {
    let statement = standings(jobs.iter().map(|job| &job.item));
    let read = async {
        let mut found: HashMap<i32, Vec<QueryResult>> = HashMap::new();
        for row in database.query_all(&statement).await? {
            found.entry(row.try_get("", "question")?).or_default().push(row);
        }
        Ok(found)
    };
    match batch_within(deadline, read).await {
        Ok(mut found) => {
            for (number, job) in (0..).zip(jobs) {
                job.answer(found.remove(&number).map(standing).transpose().map_err(StoreError::from));
            }
        }
        Err(error) => refuse(jobs, &error),
    }
}

fn standing(rows: Vec<QueryResult>) -> Result<Standing, Failure> {
    let none = || Failure::Database(sea_orm::DbErr::RecordNotFound("a question without rows".to_owned()));
    let first = rows.first().ok_or_else(none)?;
    let agent = rows::agent::read(&agents::Model::from_query_result(first, "a_")?)?;
    let mut revoked = false;
    for row in &rows {
        revoked |= row.try_get::<bool>("", "revoked")?;
    }
    let credential = credential_rows::read_all(rows)?.pop().ok_or_else(none)?;
    Ok(Standing { agent, credential, revoked })
}

/// One statement for all questions, as of one moment: a row for each token asked about and each replaced secret. It
/// reads by primary keys only. The number of its questions is rounded up, so that few statements have to be prepared.
pub fn standings<'a>(questions: impl Iterator<Item = &'a Question>) -> SelectStatement {
    let asked = (0_i32..).zip(questions).flat_map(|(number, question)| {
        let (agent, credential) = (question.agent.uuid(), question.credential.uuid());
        let tokens = question.token_ids.iter().cloned().map(Some);
        let tokens: Vec<Option<String>> = if question.token_ids.is_empty() { vec![None] } else { tokens.collect() };
        tokens.into_iter().map(move |token| (number, agent, credential, token))
    });
    let mut values: Vec<(i32, Uuid, Uuid, Option<String>)> = asked.collect();
    let rows = values.len().next_power_of_two().min(MOST_ROWS).max(values.len());
    values.resize(rows, (-1, Uuid::nil(), Uuid::nil(), None));
    let mut statement = Query::select();
    statement.from_values(values, "q");
    statement.join_as(
        JoinType::InnerJoin,
        credentials::Entity,
        "c",
        Expr::col(("c", credentials::Column::Id)).equals(("q", "column3")),
    );
    statement.join_as(
        JoinType::InnerJoin,
        agents::Entity,
        "a",
        Expr::col(("a", agents::Column::Id))
            .equals(("c", credentials::Column::AgentId))
            .and(Expr::col(("a", agents::Column::Id)).equals(("q", "column2"))),
    );
    statement.join_as(
        JoinType::LeftJoin,
        token_revocations::Entity,
        "r",
        Expr::col(("r", token_revocations::Column::TokenId)).equals(("q", "column4")),
    );
    credential_rows::select_as::<agents::Entity>(&mut statement, "a");
    credential_rows::select_credential(&mut statement);
    statement
        .expr_as(Expr::col(("q", "column1")), "question")
        .expr_as(Expr::col(("r", token_revocations::Column::TokenId)).is_not_null(), "revoked")
        .take()
}

async fn read_agents(database: DatabaseConnection, deadline: Duration, jobs: Vec<Job<AgentId, Option<Agent>>>) {
    let ids: Vec<AgentId> = jobs.iter().map(|job| job.item).collect();
    match batch_within(deadline, agents_by_id(&ids).all(&database)).await {
        Ok(found) => {
            for job in jobs {
                let row = found.iter().find(|row| row.id == job.item.uuid());
                job.answer(row.map(rows::agent::read).transpose());
            }
        }
        Err(error) => refuse(jobs, &error),
    }
}

/// The agents of these ids. Their number is rounded up, as that of the questions.
pub fn agents_by_id(ids: &[AgentId]) -> Select<agents::Entity> {
    let mut ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.resize(ids.len().next_power_of_two(), Uuid::nil());
    agents::Entity::find().filter(agents::Column::Id.is_in(ids))
}

fn refuse<T, A>(jobs: Vec<Job<T, A>>, error: &BatchError) {
    for job in jobs {
        job.answer(Err(error.clone().into()));
    }
}
