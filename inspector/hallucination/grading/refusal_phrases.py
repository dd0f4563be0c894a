"""How other languages say that they don't know or won't answer;
matched against `tokens`, as `refusals` says."""

from inspector.hallucination.grading.normalise import words


def spoken(plain: str) -> list[str]:
    """The phrases between semicolons, as words between spaces."""
    return [" ".join(words(phrase)) for phrase in plain.split(";") if phrase.strip()]


_PHRASES = """
je l'ignore; aucune idée; no lo sé; ni idea; keine ahnung; ik weet het niet; weet ik niet; nie wiem;
不知道; 不清楚; 不太清楚; 不确定; 不確定; 无法回答; 無法回答; 无法提供; 無法提供; 无法确定; 無法確定;
无法帮助; 無法幫助; 我无法; 我無法; 我不能;
不能回答; 无可奉告; 無可奉告; 没有相关信息; 沒有相關信息; 没有相关资料; 沒有相關資料; 没有这方面的信息;
没有信息; 没有资料; 沒有資料; 没有答案; 没有找到;
找不到; 沒有找到; 不记得; 不記得; 记不清; 想不起来; 不了解; 不太了解; 不熟悉; 无从得知; 無從得知; 无法得知;
無法得知; 说不准; 很难说; 很難說;
没听说过; 沒聽說過; 不愿猜测; 不便回答; 不方便透露; 帮不上忙; 幫不上忙; 无法协助; 無法協助; 不晓得; 不曉得;
没有头绪; 不会回答; 不想猜;
わかりません; 分かりません; わからない; 分からない; 知りません; 知らない; わかりかねます; 分かりかねます;
お答えできません; 答えられません; 答えることができません;
お答えすることはできません; お手伝いできません; 存じません; 存じ上げません; 覚えていません; 思い出せません;
情報がありません; 情報はありません; 情報を持っていません; 情報は持っていません; 持ち合わせていません;
見つかりません; 見つけられません;
不明です; 確信がありません; 自信がありません; お力になれません; 提供できません; アクセスできません;
推測は控え; 回答できません; 回答いたしかねます; 控えさせていただき; 判断できません;
聞いたことがありません;
ไม่รู้; ไม่ทราบ; ไม่แน่ใจ; ไม่สามารถ; ไม่มีข้อมูล; จำไม่ได้; ตอบไม่ได้; ไม่ขอตอบ; ช่วยไม่ได้; ไม่มีคำตอบ; ไม่อาจ
"""
_NORDIC = "(?:inte|ikke|ingen|inga|inget|ingenting|ikkje|intet|ej)"
_PATTERNS = [
    # French
    r"(?:je|on|nous) (?:(?:ne|n\S+) (?:\S+ ){0,3}?(?:sais|sait|savons|peux|peut|puis|dispose"
    r"|connais|connait|trouve|souhaite|veux|suis|souviens|rappelle"
    r"|saurais|pourrais|possede|pense|vois|ai|pas|rien|aucune?|connaissons|voudrais|preferes?)"
    r"|nai (?:\S+ )?(?:pas|aucune?|rien))",
    r"aucune? (?:idee|information|reponse|donnee|trace)|impossible (?:de|a"
    r"|pour moi)(?: \S+)? (?:repondre|dire|savoir|determiner|preciser)|impossible a dire"
    r"|je (?:prefere|prefererais|refuse)(?: de)? (?:ne pas|repondre)|je donne ma langue|(?:nest"
    r"|nes|sont) pas (?:connue?s?|disponible|recense|documente)|je seche",
    # Spanish
    r"no (?:lo |la |me |te |le |se |os |les )*(?:se|sabe|sabemos|puedo|puede|tengo|dispongo"
    r"|conozco|recuerdo|estoy|sabria|encuentro|cuento|es posible|acuerdo|podria"
    r"|poseo|hay|quiero|tenemos|podemos|soy capaz|deseo|consigo|logro|encontre|he encontrado|quisiera)(?! duda)",
    r"ni (?:idea|puedo)|se desconoce|desconozco|lo ignoro|prefiero no|preferiria no"
    r"|imposible (?:saber|responder|decir)|sin (?:informacion|datos|respuesta)",
    # German
    r"(?:ich|mir|wir|leider|dazu (?:liegen|habe|kann)|das (?:weiss|kann|konnte|mochte)|da (?:bin"
    r"|kann|weiss|habe)|man (?:weiss|kann)|es (?:ist|liegen|gibt|tut))"
    r" (?:\S+ ){0,7}?(?:nicht|keine?[nmr]?|keinerlei|nichts)",
    r"weiss (?:ich )?(?:es )?(?:leider )?nicht|keine? (?:ahnung|informationen?|daten|angaben?"
    r"|idee|antwort|plan|schimmer|blassen)|(?:ist|sind) (?:mir )?(?:leider )?(?:nicht|un)"
    r" ?bekannt|entzieht sich|uberfragt|lieber nicht|nicht (?:sagen|beantworten|helfen|bekannt|moglich)|weiss der",
    # Italian
    r"non (?:lo |la |ne |mi |ti |le |si |vi |ho |sono |e |posso )*(?:so|sa|sappiamo|posso|puo|ho"
    r"|conosco|ricordo|sicur[oa]|in grado|dispongo|saprei|trovo|possibile|riesco|ho|idea"
    r"|cert[oa]|accesso|informazioni|abbiamo|trovato|not[oa]|potrei|voglio|vorrei|aiutarti|e dato"
    r"|rispondere|disponibil\S+)",
    r"nessun[a]? (?:idea|informazione)|boh(?= [.,]|$)|lo ignoro|(?:preferisco|preferirei) non"
    r"|impossibile (?:dire|sapere|rispondere)",
    # Portuguese
    r"nao (?:o |me |te |lhe |se |te )*(?:sei|sabe|sabemos|posso|pode|tenho|consigo|conheco|lembro"
    r"|recordo|disponho|faco|estou|encontrei|e possivel|ha|temos|saberia"
    r"|possuo|quero|gostaria|sou capaz|tive|existem?)",
    r"desconheco|prefiro nao|preferia nao|(?:nem|sem) (?:ideia|informacoes)|nao faco ideia"
    r"|impossivel (?:saber|dizer|responder)",
    # Dutch, Afrikaans
    r"(?:ik|helaas|we|mij|(?:dat|daar|het) (?:weet|kan|kon|zou|heb|is)) (?:\S+ ){0,6}?(?:niet"
    r"|geen|niets)(?: bekend)?|geen (?:idee|informatie|antwoord|gegevens|flauw)|liever niet"
    r"|niet (?:bekend|zeker)|ek weet nie",
    # Swedish, Danish, Norwegian
    rf"(?:jeg|jag|eg|tyvarr|desvaerre|dessverre|beklager|(?:det|vi) (?:vet|ved|kan|kanner|kjenner"
    rf"|kender|har)) (?:\S+ ){{0,5}}?{_NORDIC}|(?:ingen|inga) (?:aning|anelse|ide|information"
    rf"|formening|peiling)"
    rf"|aner {_NORDIC}|vet ej|helst inte|helst ikke",
    # Finnish, Estonian, Hungarian
    r"en (?:\S+ )?(?:tieda|osaa|voi|muista|pysty|ole|halua|loyda|tunne|keksi|haluaisi)"
    r"|ei (?:ole )?(?:tietoa|aavistustakaan|hajuakaan|tiedossa)|ma ei (?:tea|oska|saa)",
    r"nem (?:tudom|tudok|emlekszem|vagyok|all|ismerem|ismert|talal\S*|tudhat\S*|szeretnek"
    r"|rendelkezem|ismeretes|tudunk|lehet)|fogalmam sincs|nincs (?:\S+ )?(?:informaciom|adatom"
    r"|valaszom|tudomasom)|inkabb nem",
    # Polish, Czech, Slovak, Croatian, Romanian
    r"nie (?:wiem|moge|mam|znam|pamietam|jestem|potrafie|posiadam|chce|da|wiadomo|umiem|dysponuje"
    r"|mozna|udalo|chcialbym)|brak (?:mi )?(?:informacji|danych|odpowiedzi)|wole nie",
    r"nevim|neviem|nevime|nemohu|nemuzu|nemozem|nemam|neznam|nepamatuji|netusim|nedokazu|neumim"
    r"|nejsem(?: si)? (?:jist\S*|schop\S*)|nie (?:som|viem)|neni (?:\S+ )?(?:znamo|mozne)"
    r"|radeji ne\S*",
    r"ne (?:znam|mogu|sjecam|znamo|vem|morem|poznam)|nemam pojma|nisam sigur\S+",
    r"nu (?:va |te |imi |pot |se |am |o )*(?:stiu|pot|am|cunosc|sunt|amintesc|detin|dispun|stie"
    r"|pot|cunoaste|exista|vreau|gasesc|as)|habar nam|n?am (?:nicio )?idee|nam idee|prefer sa nu",
    # Turkish, Vietnamese, Indonesian, Malay, Filipino, Swahili
    r"(?:bilmiyor\S*|bilemiyor\S*|bilemem|hatirlam\S+|yanitlayam\S+|cevaplayam\S+|emin degil\S*"
    r"|fikrim yok|bilgim yok|cevabim yok|bilgi(?:ye|m|ler)? (?:\S+ ){0,2}(?:yok|erisimim"
    r"|sahip degil\S*)"
    r"|yardimci olam\S+|cevap verem\S+|yanit verem\S+|veremem|veremiyor\S+|bilinmiyor|bulamad\S+"
    r"|soyleyem\S+|tahmin etme\S+)",
    r"(?:toi|minh|em|chung toi|ban|rat tiec)? ?(?:khong|chua|chang) (?:\S+ )?(?:biet|the|tra|giup"
    r"|cung cap|tim|co (?:thong|cau|du|quyen|y)|chac|nho|ro|tim|muon doan)",
    r"(?:tidak|tak|belum|kurang|nggak|gak|tiada) (?:\S+ )?(?:tahu|tau|bisa|boleh|dapat|memiliki"
    r"|mempunyai|punya|yakin|ingat|mengetahui|pasti|diketahui|menemukan|ada (?:informasi|data"
    r"|maklumat))|entahlah",
    r"hindi (?:ko|ako|po|namin) (?:\S+ )?(?:alam|sigurado|matandaan|makasagot|masagot)|ewan ko"
    r"|sijui|sina (?:habari|jibu|uhakika)|siwezi|sikumbuki",
    # Russian, Ukrainian, Bulgarian, Serbian
    r"не (?:\S+ )?(?:знаю|знаем|могу|можем|помню|уверен\S*|имею|располагаю|удалось|известно"
    r"|известен|известна|хочу|владею|наш[её]л|нашла|буду|смогу|хотел\S*|обладаю|сохранил\S*"
    r"|в курсе|скажу|отвечу|можу"
    r"|памятаю|пам ятаю|маю|впевнен\S*|відомо|зможу|знам|мога|сигурен|съм|могу|помним|готов\S*)",
    r"(?:нет|немає|нема|нямам|няма) (?:\S+ )?(?:информаци\S+|данных|ответа|доступа|сведений"
    r"|інформації|даних|відповіді|представа|отговор)|понятия не имею|без понятия|затрудняюсь"
    r"|воздерж\S+|неизвестн\S+|невідом\S+"
    r"|гадки не маю|уявлення не маю|нямам идея|немам појма|сложно сказать|трудно сказать"
    r"|важко сказати|мне неведомо|представления не имею",
    # Greek, Arabic, Hebrew, Persian, Hindi, Bengali, Urdu
    r"(?:δε|δεν) (?:\S+ ){0,2}?(?:ξερω|γνωριζω|μπορω|εχω|θυμαμαι|ειμαι|γνωριζουμε|βρηκα|υπαρχουν"
    r"|ξερουμε|θελω|ειναι)|ιδεα δεν εχω|καμια ιδεα|αγνωω",
    r"(?:لا|لم|لن|ما) (?:[أا]ستطيع|يمكنني|[أا]عرف|[أا]علم|[أا]دري|[أا]ملك|[أا]تذكر|توجد|يوجد"
    r"|تتوفر|يتوفر|[أا]تمكن|[أا]جد|[أا]عثر|[أا]ريد|[أا]فضل|يمكن|نعرف|[أا]قدر|نعلم|عندي|[أا]حد)"
    r"|ليس(?:ت)? (?:لدي|عندي|لدى|بإمكاني)"
    r"|لست (?:\S+ )?(?:مت[أا]كد\S*|واثق\S*|على|قادر\S*)|غير (?:معروف|متاح|متأكد|قادر)"
    r"|[أا]فضل (?:عدم|[أا]لا)|مش عارف|معرفش",
    r"(?:אני |אנחנו )?(?:לא|אינני|איני) (?:\S+ )?(?:יודע\S*|יכול\S*|זוכר\S*|בטוח\S*|ידוע\S*"
    r"|מכיר\S*|מצאתי|מסוגל\S*)|אין לי|אין (?:מידע|תשובה)|מעדיפ?\S* (?:לא|שלא)",
    r"(?:نمی ?دانم|نمی ?توانم|نمی ?دونم|نمی ?تونم|اطلاع\S* (?:\S+ ){0,3}?ندارم|ندارم|مطمئن نیستم"
    r"|به یاد نمی ?\S+|یادم نیست|مشخص نیست|معلوم نیست|پیدا نکردم|ترجیح می ?دهم)",
    r"(?:मुझे|मैं|मेरे|हमें|इस) (?:\S+ ){0,8}?(?:नहीं|नही|असमर्थ)|(?:पता|मालूम|ज्ञात|जानकारी|याद"
    r"|उपलब्ध) (?:नहीं|नही)(?: है)?|नहीं (?:पता|मालूम|जानता|जानती|बता|कह)",
    r"(?:আমি|আমার) (?:\S+ ){0,6}?(?:না|নেই|নই|পারছি না|পারব না)|জানি না|জানা নেই"
    r"|مجھے (?:\S+ ){0,4}?نہیں|معلوم نہیں|نہیں معلوم",
    # Chinese, a character a word
    r"[没沒] 有 (?:\S ){0,6}?(?:资 料|資 料|信 息|資 訊|资 讯|答 案|记 录|記 錄|数 据|數 據|把 握|印 象)",
    # Korean: its endings are many
    r"\S*(?:모르|모릅|몰라)\S*|\S+ 수(?:가|는|도)? 없\S*|(?:\S*정보|\S*자료|\S*기록|\S*답|\S*기억|\S*데이터)"
    r"(?:가|는|이|은|를"
    r"|을)? (?:없|나지 않|가지고 있지 않|갖고 있지 않)\S*|확실(?:하지|치|히) (?:않|모르)\S*"
    r"|\S+(?:지|지는) (?:못합|못해|못했|않겠|않습)\S*|알려지지 않\S*"
    r"|\S*(?:못했습니다|못합니다|삼가겠습니다)",
]  # fmt: skip
ELSEWHERE = [*_PATTERNS, *spoken(" ".join(_PHRASES.split("\n")).strip())]
"""Patterns of refusals in other languages than English."""

_WHOLE = """
unknown; none; n/a; not known; not available; not applicable; no answer; no comment; idk; dunno; pass;
undetermined;
sorry; inconnu; desconocido; unbekannt; sconosciuto; 未知; i pass; skip; next; not sure; unsure; dont know;
i dunno;
search me; who knows; no response; refused; declined; abstain; i abstain; no information; not specified;
not stated; tbd; unclear;
uncertain; unanswerable; desconhecido; onbekend; okand; ukjent; ukendt; nieznane; nieznany; неизвестно;
bilinmiyor; khong ro;
îmi pare rău; ne pare rău; xin lỗi; rất tiếc; λυπάμαι; συγγνώμη; क्षमा करें; माफ़ करें; maaf; anteeksi;
valitettavasti; bohužel; prominte; désolée; désolé; je suis désolé; lo siento; tut mir leid;
es tut mir leid; mi dispiace; desculpe; lamento; przykro mi; sajnálom; üzgünüm; maalesef; sajnos; leider;
helaas; tyvärr; desværre; dessverre; beklager; kahjuks; niestety; przepraszam; purtroppo; infelizmente;
lamentablemente; malheureusement; متأسفم; ببخشید; متاسفم; מצטער; দুঃখিত; ขออภัย; ขอโทษ; 申し訳ございません;
ごめんなさい; 죄송합니다만; 很抱歉; 不好意思;
извините; простите; на жаль; вибачте; к сожалению; 抱歉; 对不起; 對不起; すみません; 申し訳ありません;
不明; 죄송합니다; 미상; عذرا; آسف; im sorry; i am sorry; my apologies;
i apologize; apologies; hmm; good question; no clue; no idea; not known to me; i give up; give up; stumped;
clueless"""
WHOLE = frozenset(spoken(_WHOLE))
"""Answers that are refusals when they say nothing else."""
