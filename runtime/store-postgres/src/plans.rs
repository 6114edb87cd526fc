//! Plans: put once, read often.

use crate::columns::column;
use crate::faults::Place;
use pmflow_plan::PlanId;
use pmflow_store::tables::{decode, rows::json_text};
use pmflow_store::{StoreError, StoredPlan};
use sqlx::{PgPool, query_file};

pub(crate) async fn put(pool: &PgPool, place: &Place, plan: &StoredPlan) -> Result<(), StoreError> {
    let failed = |error| place.error(error);
    let mut transaction = pool.begin().await.map_err(failed)?;
    let put = query_file!("queries/plan_put.sql", plan.id.0, plan.flow, plan.bytes, json_text(&plan.source_map));
    put.execute(&mut *transaction).await.map_err(failed)?;
    let prompts: Vec<(&String, &String)> = plan.prompts.iter().collect();
    let put = query_file!(
        "queries/plan_prompts_put.sql",
        plan.id.0,
        column(&prompts, |(prompt, _)| prompt.as_str()) as _,
        column(&prompts, |(_, hash)| hash.as_str()) as _
    );
    put.execute(&mut *transaction).await.map_err(failed)?;
    query_file!("queries/workflow_put.sql", plan.flow, plan.id.0).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

pub(crate) async fn get(pool: &PgPool, place: &Place, id: &PlanId) -> Result<StoredPlan, StoreError> {
    let row = query_file!("queries/plan_get.sql", id.0).fetch_optional(pool).await;
    let Some(row) = row.map_err(|error| place.error(error))? else {
        return Err(StoreError::NoSuchPlan { plan: id.0.clone(), place: place.address.clone() });
    };
    let prompts = query_file!("queries/plan_prompts_get.sql", id.0).fetch_all(pool).await;
    let prompts = prompts.map_err(|error| place.error(error))?.into_iter().map(|row| (row.prompt, row.hash)).collect();
    let source_map = decode::json("a source map", &row.source_map).map_err(|detail| place.unreadable(detail))?;
    Ok(StoredPlan { id: id.clone(), flow: row.flow, bytes: row.bytes, source_map, prompts })
}
