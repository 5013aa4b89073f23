"""Makes labelled Korean documents from templates: names with the particles and titles that follow them."""

import json
import pathlib
import random
import re
import sys

from generate import CHOICE, labelled
from words_korean import NOUNS, OTHERS, PARTICLES, PLAIN

SURNAMES = """김 김 김 김 김 김 김 이 이 이 이 이 박 박 박 최 최 정 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 전 홍 유 고 문 양 손 배 조 백 허 남 심 노 하 곽 성 차
주 우 구 민 진 지 엄 채 원 천 방 공 현 함 변 염 여 추 도 소 석 선 설 마 길 연 위 표 명 기 반 왕 금 옥 육 인 맹 제 모 탁 국 어 은 편 용 류 나 라 남궁 황보 선우 독고 제갈 사공""".split()
FIRST = "민 서 준 지 현 우 도 윤 시 예 하 은 주 연 수 아 정 영 성 호 진 경 동 혜 미 선 희 재 상 태 승 원 기 석 철 병 종 용 광 창 나 다 가 보 소 유 채 건 규 세 효 인 형 범 남 덕 옥 순 말 춘 길 봉 해 찬 한 강 명 문 학 국 대 란 송 슬 이 안 새 라 로 초 별 빛 솔 단 리".split()
SECOND = "준 서 윤 우 현 민 호 진 수 영 희 숙 자 미 경 아 은 연 지 원 석 훈 철 환 식 열 규 혁 빈 율 람 솔 린 나 라 정 선 란 옥 순 애 화 주 혜 인 성 태 한 찬 겸 후 재 용 기 섭 택 구 만 길 복 배 근 권 균 덕 범 혜 령 림 슬 별 이 하 비 온 늘 결 담 별 봄 름".split()
FOREIGN_GIVEN = "마이클 존 데이비드 제임스 로버트 토머스 윌리엄 리처드 다니엘 안드레이 블라디미르 이반 세르게이 니콜라이 피에르 장 루카 마르코 카를로스 호세 후안 페드로 한스 볼프강 안나 마리아 엘레나 사라 에밀리 제니퍼 엘리자베스 올리비아 소피아 나탈리아 유키 하나코 다로 겐지 아흐마드 무함마드 알리 파티마 응우옌 쩐 팜 레 티엔 민 호앙 바트 볼드 아이굴 라제시 프리야 앤드루 크리스토퍼 스티븐 브라이언 케빈 알렉산더".split()
FOREIGN_SURNAME = "존슨 스미스 브라운 윌리엄스 밀러 데이비스 가르시아 마르티네스 로드리게스 뮐러 슈미트 페트로프 이바노프 푸틴 마크롱 메르켈 오바마 트럼프 클린턴 부시 스즈키 다나카 사토 야마모토 요시다 왕웨이 리밍 장웨이 반민 티호아 반타인 티란 바야르 에르덴 칸 싱 굽타 샤르마 루이스 워커 홀 영 킹 라이트 스콧 그린 베이커 넬슨 카터 미첼 로버츠 터너 필립스 캠벨 파커 에번스 에드워즈 콜린스".split()
LATIN_GIVEN = "VAN THI MINH HOA JOHN MARIA MICHAEL WEI LI AHMED ALI GILDONG MINJUN SEOYEON JIHOON HYUNWOO YUKI ANNA PETER OLGA BATBAYAR".split()
LATIN_SURNAME = "NGUYEN TRAN PHAM LE KIM LEE PARK CHOI HONG JUNG WANG ZHANG LIU CHEN SMITH JOHNSON IVANOV TANAKA SATO KHAN SINGH GARCIA".split()
PROVINCES = "서울특별시 부산광역시 대구광역시 인천광역시 광주광역시 대전광역시 울산광역시 세종특별자치시 경기도 강원특별자치도 충청북도 충청남도 전북특별자치도 전라남도 경상북도 경상남도 제주특별자치도 서울시 서울 부산 대구 인천 광주 대전 울산 경기 강원 충북 충남 전북 전남 경북 경남 제주".split()
DISTRICTS = "강남구 서초구 송파구 마포구 종로구 중구 용산구 성동구 광진구 동대문구 중랑구 성북구 강북구 도봉구 노원구 은평구 서대문구 양천구 강서구 구로구 금천구 영등포구 동작구 관악구 강동구 해운대구 수영구 남구 북구 동구 서구 달서구 수성구 연수구 부평구 남동구 유성구 수원시 성남시 고양시 용인시 부천시 안산시 안양시 남양주시 화성시 평택시 의정부시 시흥시 파주시 김포시 광명시 군포시 춘천시 원주시 강릉시 청주시 충주시 천안시 아산시 전주시 익산시 군산시 목포시 여수시 순천시 나주시 포항시 경주시 구미시 안동시 창원시 진주시 김해시 양산시 거제시 제주시 서귀포시".split()
PLACES = "서울 부산 대구 인천 광주 대전 울산 세종 수원 성남 용인 고양 천안 청주 전주 포항 창원 제주 강남 홍대 여의도 명동 분당 판교 일산 해운대 광화문 잠실 신촌 이태원 강원도 경기도 충청도 전라도 경상도 제주도 도쿄 오사카 베이징 상하이 뉴욕 런던 파리 베를린 로마 모스크바 하노이 방콕 시드니 로스앤젤레스 워싱턴 한강 북한산 설악산 지리산 한라산 동해 서해".split()
NATIONS = "미국 중국 일본 베트남 러시아 독일 프랑스 영국 캐나다 호주 인도 태국 필리핀 몽골 우즈베키스탄 네팔 캄보디아 인도네시아 브라질 멕시코 스페인 이탈리아 터키 이란 이스라엘 우크라이나".split()
ROADS = "중앙 세종 봉천 월드컵 테헤란 강남 송파 올림픽 한강 충무 을지 퇴계 번영 문화 시청 평화 통일 정자 삼산 두정 백제 가락 해운 동백 벚꽃 장미 은행 느티 솔밭 새터 양지 학동 서문 남문 대학 과학 산업 공단 첨단 호수 바다 금강 낙동 영산 무등 팔공 계룡".split()
ESTATES = "현대아파트 삼성래미안 자이 푸르지오 힐스테이트 롯데캐슬 e편한세상 주공아파트 한신빌라 행복원룸 대림아파트 우성빌딩 미래타워 센트럴파크".split()
TITLES = "과장 부장 대리 주임 사원 팀장 차장 실장 국장 본부장 이사 전무 상무 사장 대표 주무관 사무관 서기관 전문관 계장 소장 원장 교수 선생 박사 간호사 의사 약사 변호사 판사 검사 경위 경사 순경 반장 조합장 이장 통장 연구원 매니저 점장 기사".split()
DEPARTMENTS = "총무과 인사팀 재무팀 노인정책과 복지정책과 환경관리과 정보보호과 영업1팀 개발팀 마케팅팀 고객지원팀 법무팀 감사실 기획조정실 교무부 원무과 민원실 건축과 교통행정과 세무과 보건소 기획팀 시설관리팀".split()
COMPANIES = "한빛 미래 신성 대한 우리 동아 세진 태양 푸른 하늘 금강 백두 한울 다온 가온 누리 새한 성우 삼정 동방 서광 청솔 해오름 바른 맑은 큰길 온누리 현진 유진 한성".split()
COMPANY_ENDS = "전자 건설 물류 식품 산업 상사 테크 소프트 시스템 바이오 제약 화학 무역 개발 교육 미디어 디자인 에너지 병원 의원 약국 학원 은행 증권 보험 자동차 통신 유통".split()
ORGANIZATIONS = "삼성전자 현대자동차 LG전자 SK하이닉스 네이버 카카오 쿠팡 롯데쇼핑 한국전력공사 국민건강보험공단 국민연금공단 서울대학교 연세대학교 고려대학교 부산대학교 한국과학기술원 서울시청 경기도청 보건복지부 행정안전부 교육부 법무부 외교부 기획재정부 국세청 경찰청 서울중앙지방법원 대법원 국회 청와대 새누리당 더불어민주당 국민의힘 대한적십자사 한국은행 금융감독원 서울아산병원 세브란스병원 삼성서울병원 강남경찰서 종로구청 마포구청 한국농어촌공사 한국도로공사 KBS MBC SBS 연합뉴스 조선일보 두산 한화 포스코 대한항공 아시아나항공".split()
BANKS = "국민은행 신한은행 우리은행 하나은행 농협 기업은행 카카오뱅크 토스뱅크 새마을금고 신협 NH농협은행 KB국민은행 SC제일은행 우체국 부산은행 대구은행".split()
USERS = "minsu happy star_user kim77 sky blue_01".split()
SUBJECTS = ["협조 요청", "결과 알림", "자료 제출", "회의 개최 안내", "계약 체결 보고", "교육 참석 요청"]
PAIRS = {"은": "는", "이": "가", "을": "를", "과": "와", "와": "과", "는": "은", "가": "이", "를": "을"}
SLOT = re.compile(r"\{(\w+)\}(~?[은이을와과는가를]?)")
KINDS = {"name": "PERSON", "given": "PERSON", "masked": "PERSON", "foreign": "PERSON", "latin": "PERSON", "address": "STREET_ADDRESS", "city": "LOCATION", "nation": "LOCATION", "org": "ORGANIZATION", "company": "ORGANIZATION", "bank": "ORGANIZATION", "date": "DATE_TIME"}
JSON_KEYS = {
    "name": "name 이름 성명 고객명 환자명 신청인 담당자 customer_name patientName userName 예금주 수취인 작성자 대표자 author manager full_name 보호자 contact owner assignee",
    "city": "city 지역 location 도시", "address": "address 주소 배송지 addr shipping_address 소재지", "org": "company 회사 기관 소속 organization 회사명 상호 school 학교",
}
NOTHING = [("title", ["분기 보고서", "회의록", "배송 안내", "신규 기능 제안", "사용 설명서"]), ("name", ["무선 마우스", "가죽 지갑", "기본 요금제", "주간 보고", "유기농 쌀", "겨울 이불", "한우 세트", "김치 냉장고", "이동식 선반", "조립식 책상"]),
           ("status", ["진행중", "완료", "대기", "취소됨", "배송중", "승인"]), ("category", ["전자제품", "식품", "도서", "의류", "가전", "주방용품"]), ("message", ["저장되었습니다", "권한이 없습니다", "성공", "정상 처리되었습니다"]),
           ("description", ["고급 원목으로 만든 의자", "매주 월요일 실행", "파일 목록을 반환합니다", "신규 고객 할인"]), ("부서", ["인사팀", "영업팀", "개발팀", "총무과"]), ("색상", ["남색", "하늘색", "연두", "진회색"]), ("요일", ["월요일", "금요일", "주말"])]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        lines = (pathlib.Path(__file__).parent / "templates_korean.txt").read_text(encoding="utf-8").splitlines()
        self.templates = [line.replace("\\n", "\n").replace("\\t", "\t") for line in lines if line and not line.startswith("# ")]
        self.plain = [line.replace("\\n", "\n") for line in PLAIN]

    def pick(self, items):
        return self.random.choice(items)

    def digits(self, pattern):
        return "".join(self.pick("0123456789") if sign == "#" else sign for sign in pattern)

    def given(self):
        return self.pick(FIRST) + self.pick(SECOND) if self.random.random() < 0.95 else self.pick(FIRST)

    def name(self):
        draw = self.random.random()
        name = self.pick(SURNAMES) + self.given()
        if draw < 0.03:
            return " ".join(name)
        if draw < 0.05:
            return name[0] + " " + name[1:]
        if draw < 0.08:
            return self.masked()
        return name

    def masked(self):
        surname = self.pick(SURNAMES)
        return surname + self.pick(["○○", "모", "OO", "**", "*" + self.pick(SECOND), "○" + self.pick(SECOND), "씨"[:0] or "모", "XX", "某"])

    def foreign(self):
        given, surname = self.pick(FOREIGN_GIVEN), self.pick(FOREIGN_SURNAME)
        return self.pick([f"{given} {surname}", f"{given} {surname}", surname, given, f"{given} {self.pick(FOREIGN_GIVEN)} {surname}"])

    def latin(self):
        surname, given = self.pick(LATIN_SURNAME), " ".join(self.pick(LATIN_GIVEN) for _ in range(self.pick([1, 1, 2])))
        return self.pick([f"{surname} {given}", f"{surname} {given}", f"{given} {surname}".title(), f"{surname} {given}".title()])

    def address(self):
        number = self.random.randrange
        road = self.pick(ROADS) + self.pick(["로", "로", "길", "대로", f"로{number(1, 60)}길", f"로 {number(1, 60)}번길"])
        text = f"{self.pick(PROVINCES)} {self.pick(DISTRICTS)} {road} {number(1, 480)}" + self.pick(["", "", f"-{number(1, 30)}"])
        text += self.pick(["", "", f", {number(100, 130)}동 {number(101, 2500)}호", f" {number(2, 20)}층", f" {self.pick(ESTATES)} {number(101, 130)}동 {number(101, 1900)}호", f", {number(101, 900)}호", f" ({self.pick(ROADS)}동)"])
        if self.random.random() < 0.12:
            text = f"{self.pick(PROVINCES)} {self.pick(DISTRICTS)} {self.pick(ROADS)}동 {number(1, 999)}-{number(1, 50)}"
        return text

    def org(self):
        draw = self.random.random()
        if draw < 0.5:
            return self.pick(ORGANIZATIONS)
        name = self.pick(COMPANIES) + self.pick(COMPANY_ENDS)
        return self.pick(["(주)", "주식회사 ", "", "", "㈜", "(유)"]) + name

    def date(self):
        year, month, day = self.random.randrange(1940, 2027), self.random.randrange(1, 13), self.random.randrange(1, 29)
        return self.pick([f"{year}년 {month}월 {day}일", f"{year}. {month}. {day}.", f"{year}.{month:02}.{day:02}", f"{year}-{month:02}-{day:02}", f"{month}월 {day}일", f"{year}년 {month}월", f"{day}일"])

    def other(self, slot):
        number = self.random.randrange
        return {
            "phone": lambda: self.digits(self.pick(["010-####-####", "02-###-####", "0##-###-####", "010########"])), "rrn": lambda: self.digits("######-#######"),
            "email": lambda: self.pick(USERS) + self.digits("##") + "@example.kr", "title": lambda: self.pick(TITLES), "dept": lambda: self.pick(DEPARTMENTS),
            "number": lambda: str(number(1, 9999)), "amount": lambda: f"{number(1, 9000) * 1000:,}", "age": lambda: str(number(18, 90)), "sex": lambda: self.pick(["남", "여"]),
            "time": lambda: self.pick(["오전", "오후"]) + f" {number(1, 12)}시", "account": lambda: self.digits(self.pick(["###-####-####-##", "###-##-######", "####-##-#######"])),
            "passport": lambda: self.digits("M########"), "plate": lambda: self.digits("##") + self.pick("가나다라마바사아") + " " + self.digits("####"), "user": lambda: self.pick(USERS), "noun": lambda: self.pick(NOUNS), "other": lambda: self.pick(OTHERS), "p": lambda: self.pick(PARTICLES), "subject": lambda: self.pick(SUBJECTS),
        }[slot]()

    def value(self, slot):
        made = {"name": self.name, "given": self.given, "masked": self.masked, "foreign": self.foreign, "latin": self.latin, "address": self.address, "org": self.org, "date": self.date,
                "city": lambda: self.pick(PLACES + DISTRICTS), "nation": lambda: self.pick(NATIONS), "company": lambda: self.pick(COMPANIES) + self.pick(COMPANY_ENDS), "bank": lambda: self.pick(BANKS)}.get(slot)
        return made() if made else self.other(slot)

    def fill(self, template):
        while (found := CHOICE.search(template)):
            template = template[:found.start()] + self.pick(found[1].split("|")) + template[found.end():]
        parts, at = [], 0
        for found in SLOT.finditer(template):
            value, particle = self.value(found[1]), found[2]
            parts += [(template[at:found.start()], None), (value, KINDS.get(found[1]))]
            if particle.startswith("~") and len(particle) > 1:
                parts.append((self.particle(value, particle[1]), None))
            else:
                parts.append((particle, None))
            at = found.end()
        return parts + [(template[at:], None)]

    def particle(self, word, wanted):
        """은 or 는, by whether the last syllable ends in a consonant."""
        code = ord(word[-1]) - 0xAC00
        closed = 0 <= code < 11172 and code % 28 != 0
        return wanted if closed == (wanted in "은이을과") else PAIRS[wanted]

    def document(self):
        count = self.random.choices([1, 2, 3, 6, 10], weights=[45, 18, 15, 14, 8])[0]
        glue, parts = self.pick([" ", "\n", "\n", "\n\n"]), []
        for number in range(count):
            parts += ([(glue, None)] if number else []) + self.fill(self.pick(self.plain if self.random.random() < 0.5 else self.templates))
        return [], parts

    def leaf(self):
        if self.random.random() < 0.45:
            key, values = self.pick(NOTHING)
            return [key], [(self.pick(values if self.random.random() < 0.5 else NOUNS), None)]
        slot = self.pick(list(JSON_KEYS) + ["name"] * 4)
        return [self.pick(JSON_KEYS[slot].split())], [(self.value(slot), KINDS[slot])]


def main(out, seed=7, documents=14_000, leaves=4_000):
    maker = Maker(int(seed))
    with open(pathlib.Path(out) / "made_korean.jsonl", "w", encoding="utf-8") as file:
        for number in range(int(documents) + int(leaves)):
            keys, parts = maker.document() if number < int(documents) else maker.leaf()
            text, spans = labelled(parts)
            file.write(json.dumps({"id": f"made-korean-{number:05}", "text": text, "keys": keys, "spans": spans}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
