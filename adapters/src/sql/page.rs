//! Lists: newest first, from a place on that does not move when rows are added.

use agentidp_core::domain::agent::Owner;
use agentidp_core::domain::page::{Cursor, Page, PageRequest};
use agentidp_core::ports::policy::Owners;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

/// The rows of `query` from the cursor on, one more than the page holds. A comparison of the pair, so that both
/// databases begin in the index where the last page ended.
pub fn keyset<E: EntityTrait>(query: Select<E>, at: E::Column, id: E::Column, page: PageRequest) -> Select<E> {
    let query = match page.after {
        Some(cursor) => {
            let place = Expr::tuple([Expr::val(cursor.at.unix_millis()), Expr::val(cursor.id)]);
            query.filter(Expr::tuple([at.into_expr(), id.into_expr()]).lt(place))
        }
        None => query,
    };
    query.order_by_desc(at).order_by_desc(id).limit(u64::from(page.limit()).saturating_add(1))
}

/// One query for each: an index is read in order for one owner or for all (`None`), not for some.
pub fn split<'a>(owners: &'a Owners, wanted: Option<&'a Owner>) -> Vec<Option<&'a Owner>> {
    match (owners, wanted) {
        (Owners::All, owner) => vec![owner],
        (Owners::Only(_), Some(owner)) if owners.include(Some(owner)) => vec![Some(owner)],
        (Owners::Only(_), Some(_)) => Vec::new(),
        (Owners::Only(list), None) => {
            let mut owners: Vec<_> = list.iter().map(Some).collect();
            owners.sort_unstable();
            owners.dedup();
            owners
        }
    }
}

/// Puts the rows of several queries into one page. A row that went from one owner to another in between counts once.
pub fn merge<T>(mut rows: Vec<T>, page: PageRequest, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    rows.sort_by_key(|row| std::cmp::Reverse((cursor(row).at, cursor(row).id)));
    rows.dedup_by_key(|row| cursor(row).id);
    Page::from_overfetch(rows, page, cursor)
}
