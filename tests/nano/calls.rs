//! Calls of tools: one, a second one, two in a row, a chain, one that went wrong.

use glassbox::{tool, tools};
use serde_json::{Value, json};

use crate::support::{ask, calls, session};

/// 追踪指定股票的实时价格
#[tool(read_only)]
fn track(
    /// 需要追踪的股票代码
    symbol: String,
) -> Result<Value, String> {
    match symbol.as_str() {
        "10111" => Ok(json!({"price": 12412})),
        "20473" => Ok(json!({"price": 864})),
        _ => Err(format!("no stock `{symbol}`; did you mean `10111`?")),
    }
}

/// 查询人的城市
#[tool(read_only)]
fn find_person_city(
    /// 需要查询的人
    name: String,
) -> Value {
    json!({"city": if name == "王伟" { "杭州" } else { "上海" }})
}

/// 查询城市的人口
#[tool(read_only)]
fn get_population(
    /// 需要查询的城市
    city: String,
) -> Value {
    json!({"population": if city == "杭州" { 8243 } else { 9907 }})
}

#[tokio::test]
async fn the_published_dialogue() {
    let mut session = session(tools![track]).await;
    let reply = ask(&mut session, "帮我查询股票10111的价格").await;
    assert_eq!(calls(&reply), [("track", &json!({"symbol": "10111"}))]);
    assert_eq!(reply.calls()[0].observation, r#"{"price":12412}"#);
    assert!(reply.text().contains("12412"), "{:?}", reply.text());
}

/// The reference replays the first call without its metadata, and the second question fails.
#[tokio::test]
async fn a_second_call_in_the_same_conversation() {
    let mut session = session(tools![track, get_population]).await;
    for (question, name, arguments, value) in [
        ("帮我查询股票10111的价格", "track", json!({"symbol": "10111"}), "12412"),
        ("查一下股票20473的价格", "track", json!({"symbol": "20473"}), "864"),
        ("杭州的人口是多少", "get_population", json!({"city": "杭州"}), "8243"),
    ] {
        let reply = ask(&mut session, question).await;
        assert_eq!(calls(&reply), [(name, &arguments)], "{question}");
        assert!(reply.text().contains(value), "{question}: {:?}", reply.text());
    }
}

#[tokio::test]
async fn the_same_tool_twice_in_one_turn() {
    let mut session = session(tools![track]).await;
    let reply = ask(&mut session, "查询10111和20473的价格").await;
    assert_eq!(calls(&reply), [("track", &json!({"symbol": "10111"})), ("track", &json!({"symbol": "20473"}))]);
    assert!(reply.text().contains("12412") && reply.text().contains("864"), "{:?}", reply.text());
}

#[tokio::test]
async fn what_one_tool_gives_is_what_the_next_is_asked_about() {
    let mut session = session(tools![find_person_city, get_population]).await;
    let reply = ask(&mut session, "先查王伟的城市，再查它的人口").await;
    assert_eq!(
        calls(&reply),
        [("find_person_city", &json!({"name": "王伟"})), ("get_population", &json!({"city": "杭州"}))]
    );
    assert!(reply.text().contains("8243"), "{:?}", reply.text());
}

#[tokio::test]
async fn a_call_that_went_wrong_is_repaired() {
    let mut session = session(tools![track]).await;
    let reply = ask(&mut session, "帮我查询股票20999的价格").await;
    assert_eq!(calls(&reply), [("track", &json!({"symbol": "20999"})), ("track", &json!({"symbol": "10111"}))]);
    assert!(reply.calls()[0].error.is_some() && reply.calls()[1].error.is_none());
    assert!(reply.text().contains("12412"), "{:?}", reply.text());
}

#[tokio::test]
async fn where_no_tool_fits_it_says_so() {
    let mut session = session(tools![track]).await;
    let reply = ask(&mut session, "北京的天气是多少").await;
    assert_eq!(calls(&reply), []);
    assert!(reply.text().contains("没有"), "{:?}", reply.text());
}
