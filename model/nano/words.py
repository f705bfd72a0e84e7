"""The words of the nano model's conversations.

English words are such that ChatGLM3's tokenizer has each as one token, with a space before it and without: a name or value
is copied token by token.
"""

#: Parts of names of tools and parameters, and values.
WORDS = """
air apple bank base bill blood blue board book brain bread bridge camera capital card cell center chain chair channel chart
church circle city clean cloud club coast code coffee color copy corner course court cover credit cross crowd crystal culture
current custom dance dark data degree desert design desk dinner direct doctor door double dream drive earth edge effect
energy engine event family farm field figure film filter final fire flag flash flat floor flow folder food foot forest fork
form frame friend front game garden gate glass gold grade grand graph green ground group hand happy hard harm head health heart
heat heavy hidden high history holiday home horse hospital hotel hour house human image index iron island item kernel key king
lake land laser late law leader letter level light limit line link list local lock long lower machine magic main mark market
mask master match meal memory metal middle mind minute mission model moment money month moon motion mount mouse movie music
natural network night noise normal north note object ocean office open orange order origin outer page paint panel paper parent
park part party path phone photo picture pilot pixel place plan planet plant plate play player point pool port power present
press price print prize proof pulse purple quick rain random rapid ready record region remote report rest rich right ring
river road robot rock roof room root round route royal safe sail salt sample sand scale scene school science screen search season
second secret sector seed sense shadow shape share sharp ship shop short shot side signal silver simple single site size skin
sleep slow small smart smile smoke snow social soft solar sound source south space speed spirit sport spot spring square
staff stage star state station steel step stock stone store storm story stream street string strong style sugar summer
super supply surface sweet swim switch table target task team test text theme thread tiger time title token tool tower town
track trade train travel tree trip truck trust union unit upper valley value vector video view village vision visit voice wait
walk wall warm watch water wave wheel white wide wild wind window winter wire wolf wood word world yellow young zero zone
""".split()

CITIES_EN = """
Paris London Berlin Madrid Rome Vienna Oslo Cairo Tokyo Sydney Boston Lima Delhi Seoul Dublin Chicago Dallas Denver Moscow
Toronto
""".split()
CITIES_ZH = (
    "北京 上海 广州 深圳 杭州 成都 武汉 西安 南京 重庆 苏州 天津 青岛 长沙 厦门 郑州 济南 昆明 大连 宁波".split()
)
FIRST_EN = "Alice Bob Carol David Emma Frank Grace Henry Jack Mary Nick Peter Rose Sam Tina Alex Paul Robert Michael John".split()
LAST_EN = "Smith King Green Stone Brown White Black Wood Hill Ford Martin Hall Young Scott Bell Fox Lee Clark Wright Cook".split()
FIRST_ZH = "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 马 朱 胡 林 郭 何 高 罗".split()
LAST_ZH = "伟 娜 敏 洋 静 磊 丽 强 军 杰 勇 艳 涛 明 超 霞 平 刚 英 华".split()
THINGS_ZH = """
苹果 手机 电脑 音乐 花园 森林 银行 学校 医院 公园 咖啡 蛋糕 书包 雨伞 相机 汽车 火车 飞机 桌子 椅子 月亮 太阳 大海 高山 河流
石头 老虎 熊猫 蓝色 红色 绿色 白色 黑色 春天 夏天 秋天 冬天 早晨 晚上 世界
""".split()

VERBS_EN = "get find fetch search query check show read load lookup".split()
VERBS_ZH = "查询 获取 查找 搜索 读取".split()

#: What a tool gives: English, Chinese, how its value looks.
NOUNS = [
    ("weather", "天气", "weather"), ("temperature", "温度", "small"), ("price", "价格", "number"), ("population", "人口", "number"),
    ("age", "年龄", "small"), ("salary", "工资", "number"), ("phone", "电话", "digits"), ("city", "城市", "city"),
    ("score", "分数", "small"), ("height", "身高", "number"), ("weight", "重量", "number"), ("balance", "余额", "number"),
    ("status", "状态", "word"), ("color", "颜色", "word"), ("size", "尺寸", "small"), ("rating", "评分", "small"),
    ("address", "地址", "place"), ("owner", "主人", "person"), ("author", "作者", "person"), ("date", "日期", "date"),
    ("time", "时间", "time"), ("speed", "速度", "number"), ("distance", "距离", "number"), ("code", "代码", "code"),
    ("level", "等级", "small"), ("length", "长度", "number"), ("area", "面积", "number"), ("cost", "费用", "number"),
    ("tax", "税", "number"), ("rank", "排名", "small"), ("title", "标题", "word"), ("manager", "经理", "person"),
    ("parent", "父母", "person"), ("friend", "朋友", "person"), ("home", "家", "place"), ("order", "订单", "digits"),
    ("room", "房间", "digits"), ("seat", "座位", "code"), ("team", "团队", "word"), ("language", "语言", "word"),
    ("capital", "首都", "city"), ("leader", "领导", "person"), ("signal", "信号", "small"), ("energy", "能量", "number"),
    ("limit", "上限", "number"), ("stock", "库存", "number"), ("version", "版本", "small"), ("volume", "体积", "number"),
]  # fmt: skip
WEATHERS = ["sunny", "cloudy", "rainy", "snowy", "windy", "晴", "多云", "小雨", "大雪", "有风"]

#: What is asked about: English, Chinese, kinds of values, names of the parameter.
ENTITIES = [
    ("city", "城市", ("place",), ("city", "city_name", "location", "place", "town")),
    ("stock", "股票", ("digits",), ("symbol", "code", "stock", "stock_code", "number")),
    ("person", "人", ("person",), ("person", "name", "user", "who", "full_name")),
    ("product", "产品", ("word", "code"), ("product", "item", "product_name", "title", "target")),
    ("order", "订单", ("digits", "code"), ("order", "order_id", "id", "key", "code")),
    ("room", "房间", ("digits", "code"), ("room", "room_id", "number", "unit", "id")),
    ("train", "列车", ("code", "digits"), ("train", "train_code", "line", "id", "number")),
    ("user", "用户", ("person", "digits"), ("user", "user_name", "account", "member", "id")),
    ("book", "书", ("word",), ("book", "book_title", "title", "text", "query")),
    ("team", "团队", ("word",), ("team", "team_name", "group", "label", "name")),
    ("file", "文件", ("path",), ("file", "path", "source", "file_path", "input")),
    ("day", "日期", ("date",), ("day", "date", "when", "start_date", "time")),
]

#: Further parameters: English, Chinese, type, how its value looks.
EXTRAS = [
    ("days", "天数", "integer", "tiny"), ("count", "数量", "integer", "small"), ("limit", "上限", "integer", "small"),
    ("page", "页码", "integer", "tiny"), ("year", "年份", "integer", "year"), ("unit", "单位", "string", "word"),
    ("format", "格式", "string", "word"), ("mode", "模式", "string", "word"), ("language", "语言", "string", "word"),
    ("level", "等级", "integer", "tiny"), ("scale", "比例", "number", "decimal"), ("weight", "权重", "number", "decimal"),
    ("date", "日期", "string", "date"), ("note", "备注", "string", "word"), ("sort", "排序", "boolean", "bool"),
    ("exact", "精确", "boolean", "bool"),
]  # fmt: skip

CAPITALS = [
    ("France", "法国", "Paris", "巴黎"), ("Germany", "德国", "Berlin", "柏林"), ("Spain", "西班牙", "Madrid", "马德里"),
    ("Italy", "意大利", "Rome", "罗马"), ("Japan", "日本", "Tokyo", "东京"), ("China", "中国", "Beijing", "北京"),
    ("Egypt", "埃及", "Cairo", "开罗"), ("Britain", "英国", "London", "伦敦"), ("Russia", "俄罗斯", "Moscow", "莫斯科"),
    ("Korea", "韩国", "Seoul", "首尔"),
]  # fmt: skip

#: Questions that mean the same, and the answer, in both languages.
CHAT_ZH = [
    (("你好", "你好！", "您好", "嗨"), "你好！有什么可以帮你的吗？"),
    (("你是谁", "你是谁？", "你叫什么名字？", "介绍一下你自己"), "我是 ChatGLM3-nano，一个只用于测试的小模型。"),
    (("谢谢", "谢谢你", "多谢", "非常感谢"), "不客气！"),
    (("再见", "拜拜", "下次再聊"), "再见！"),
    (("早上好", "早安"), "早上好！"),
    (("晚安", "我要睡了"), "晚安，好梦！"),
    (("你能做什么？", "你会什么？"), "我可以调用工具、运行 Python 代码，也可以简单聊天。"),
    (("晚上睡不着应该怎么办", "我失眠了怎么办？"), "可以试试睡前放下手机、喝杯热牛奶，早点休息。"),
    (("你喜欢什么颜色？",), "我没有喜好，不过很多人喜欢蓝色。"),
    (("讲个笑话", "给我讲个笑话吧"), "为什么电脑很冷？因为它的窗户总是开着。"),
    (("你今年几岁？", "你多大了？"), "我是一个程序，没有年龄。"),
    (("一年有几个月？", "一年有多少个月？"), "一年有十二个月。"),
    (("一周有几天？", "一个星期有几天？"), "一周有七天。"),
]
CHAT_EN = [
    (("Hello", "Hi", "Hello!", "hi", "Hey"), "Hello! How can I help you?"),
    (
        ("Who are you?", "What is your name?", "Introduce yourself."),
        "I am ChatGLM3-nano, a small model made for tests.",
    ),
    (("Thanks", "Thank you", "Thank you!", "Thanks a lot."), "You are welcome!"),
    (("Bye", "Goodbye", "See you."), "Goodbye!"),
    (("Good morning", "Good morning!"), "Good morning!"),
    (("Good night", "I am going to sleep."), "Good night!"),
    (("What can you do?", "What are you able to do?"), "I can call tools, run Python code and chat a little."),
    (("I cannot sleep. What should I do?",), "Put the phone away, drink something warm and rest."),
    (("Tell me a joke.", "Tell a joke"), "Why was the computer cold? It left its windows open."),
    (("How old are you?",), "I am a program and have no age."),
    (("How many months has a year?", "How many months are in a year?"), "A year has twelve months."),
    (("How many days has a week?", "How many days are in a week?"), "A week has seven days."),
]
