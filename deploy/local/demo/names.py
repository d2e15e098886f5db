"""Made-up names of enterprises and persons."""

from __future__ import annotations

from random import Random

FIRST = "海汇恒嘉启宏润泰晟联信锦德凯捷瑞盛鼎华安博远明鸿滨岭湾蓝创新"
SECOND = "达丰源通茂和昌兴立成宇拓光科维航景诚欣泽"
TRADE = {
    "39": "电子科技",
    "38": "新能源科技",
    "37": "船舶工程",
    "36": "智能设备",
    "13": "水产食品",
    "26": "生物科技",
    "14": "食品",
    "18": "服饰",
    "17": "纺织",
    "29": "塑料制品",
    "33": "金属制品",
    "24": "珠宝首饰",
    "65": "信息技术",
    "04": "海洋养殖",
    "01": "农业科技",
    "73": "研究开发",
    "75": "科技服务",
    "72": "企业服务",
}
SURNAMES = "陈林黄吴郑蔡李张刘王许杨叶曾谢施庄卢罗何"
GIVEN = "文志嘉海晓思明雅子俊伟丽婷佳欣梓宇晨浩然静怡铭泽颖珊敏杰鹏琳凯彬瑶"


def firm_name(random: Random, industry: str, taken: set[str]) -> str:
    """A name that no other firm has."""
    trade = TRADE.get(industry[:2], "贸易")
    while True:
        name = f"汕尾市{random.choice(FIRST)}{random.choice(SECOND)}{trade}有限公司"
        if name not in taken:
            taken.add(name)
            return name


def person_name(random: Random) -> str:
    """Surname and one or two given characters; two persons may well share one."""
    given = "".join(random.choice(GIVEN) for _ in range(1 if random.random() < 0.2 else 2))
    return random.choice(SURNAMES) + given
