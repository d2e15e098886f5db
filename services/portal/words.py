"""The board's words in both languages."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "zh": {
        "title": "科技创新强区行动方案 · 指标看板", "as_of": "截至", "target": "目标", "other": "en", "switch": "English",
        "achieved": "已达成", "on_track": "正常", "at_risk": "有风险", "behind": "滞后", "not_assessable": "不评",
        "ok": "", "provisional": "初步数", "no_data": "无数据", "not_applicable": "不适用", "stale": "数据延迟", "suppressed": "不予显示",
        "live": "实时连接", "connecting": "正在连接…", "lost": "连接中断,自动重连", "static": "静态页面", "by": "截止", "updated": "更新于",
        "expected": "应达", "forecast": "期末预测", "gap": "差距", "clause": "条款", "version": "定义版本", "period": "数据期", "town": "分镇街",
        "away": "指标服务暂时没有响应,请稍后刷新。", "proxy": "市级代替值", "progress": "完成",
    },
    "en": {
        "title": "Science and technology action plan · indicator board", "as_of": "As of", "target": "Target", "other": "zh",
        "switch": "中文", "achieved": "Achieved", "on_track": "On track", "at_risk": "At risk", "behind": "Behind",
        "not_assessable": "Not assessed", "ok": "", "provisional": "Provisional", "no_data": "No data", "not_applicable": "Not applicable",
        "stale": "Stale", "suppressed": "Suppressed", "live": "Live", "connecting": "Connecting…", "lost": "Reconnecting",
        "static": "Static page", "by": "by", "updated": "Updated", "expected": "Expected", "forecast": "Forecast", "gap": "Gap",
        "clause": "Clause", "version": "Definition", "period": "Period", "town": "By town",
        "away": "The metrics service does not answer right now; please reload in a moment.", "proxy": "Municipal proxy", "progress": "Progress",
    },
}
